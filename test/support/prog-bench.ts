// SPDX-License-Identifier: Apache-2.0
// The packet programs on a bench of their own: loaded into a BPF file system and a network namespace that nobody else
// sees, maps filled by hand, packets in and out by BPF_PROG_TEST_RUN. It knows no expectation.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Settings } from '../../src/abi/config.gen.ts';
import type { Flow, Flow4Key, Flow6Key } from '../../src/abi/codecs.gen.ts';
import { DROP_REASON_NAMES, DROP_REASONS, FrontendFlags, Proto, SetMode } from '../../src/abi/enums.gen.ts';
import { packSet } from '../../src/abi/set-word.ts';
import { Datapath } from '../../src/datapath/datapath.ts';
import type { InterfaceRoles } from '../../src/datapath/host-maps.ts';
import { addon } from '../../src/kernel/addon.ts';
import { ensureBpffs } from '../../src/kernel/pins.ts';
import { provideObject } from '../../src/toolchain/provide.ts';
import { rangeKey } from '../../src/reconcile/present.ts';
import { addressOf, prefixOf } from './prog-addresses.ts';
import { layOut, UPLINK } from './prog-network.ts';
import { scratchDirectory } from './leftovers.ts';
import type { Conversation } from './namespace.ts';
import { Namespace } from './namespace.ts';

export type Door = 'tc_ingress' | 'tc_egress' | 'tc_ingress_l3' | 'tc_egress_l3';

/** pass: on to the next program, then the stack. */
export type Verdict = 'pass' | 'drop' | 'redirect';

const VERDICTS: Readonly<Record<number, Verdict>> = { 0xffff_ffff: 'pass', 2: 'drop', 7: 'redirect' };

export interface Order {
  readonly id: number;
  /** struct __sk_buff, in hex as the frames. */
  readonly context: string;
  readonly frames: readonly string[];
}

export type Answer = { readonly runs: readonly { retval: number; frame: string }[] } | { readonly error: string };

export interface Outcome {
  readonly verdict: Verdict;
  readonly frame: Uint8Array;
}

export interface BenchOptions {
  readonly settings?: Partial<Settings>;
  readonly sizes?: Readonly<Record<string, number>>;
  /** Another object than the product's. */
  readonly object?: string;
}

export interface GivenService {
  readonly proto?: Proto;
  /** The NodePort's wildcard is 0.0.0.0 or ::. */
  readonly frontends: readonly { readonly addr: string; readonly port: number }[];
  /** A list of backends, or the mode of a set without. */
  readonly backends: readonly GivenBackend[] | 'reject' | 'drop';
  /** Prefixes: nobody else may come in. */
  readonly sourceRanges?: readonly string[];
}

export interface End {
  readonly addr: string;
  readonly port: number;
}

export interface GivenBackend extends End {
  readonly flags: number;
}

/** What is counted: drops by reason, where there were any. */
export type Drops = Readonly<Record<string, { readonly packets: bigint; readonly bytes: bigint }>>;

export const NO_ROLES: InterfaceRoles = { uplinks: new Set(), pods: new Set(), localPods: new Set() };

export class ProgBench implements AsyncDisposable {
  readonly datapath: Datapath;
  readonly namespace: Namespace;
  readonly #runner: Conversation;
  #services = 0;
  /** 0 is left out, so that an id that nobody wrote names no backend. */
  #backends = 1;
  #slots = 0;
  #dropsBefore: Drops = {};

  private constructor(datapath: Datapath, namespace: Namespace, runner: Conversation) {
    this.datapath = datapath;
    this.namespace = namespace;
    this.#runner = runner;
  }

  static async open({ settings = {}, sizes = {}, object }: BenchOptions = {}): Promise<ProgBench> {
    const file = object ?? (await provideObject({ objectLayout: (path) => addon.objectLayout(path) })).path;
    const namespace = await Namespace.create();
    try {
      const interfaces = await layOut(namespace);
      const bpffs = path.join(scratchDirectory(namespace.prefix), 'bpffs');
      mkdirSync(bpffs, { recursive: true });
      ensureBpffs(bpffs);
      const datapath = await Datapath.open({ bpffs, object: file, settings, sizes });
      datapath.host.setInterfaces(interfaces, { ...NO_ROLES, uplinks: new Set([UPLINK.ifindex]) });
      datapath.host.generation = 1;
      return new ProgBench(datapath, namespace, namespace.start('prog/programs/runner.ts'));
    } catch (error) {
      namespace[Symbol.dispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner[Symbol.asyncDispose]();
    this.datapath.close();
    this.namespace[Symbol.dispose]();
  }

  /** Forgets Services, flows and counters; the host stays. */
  reset(): void {
    const { maps, lb } = this.datapath;
    this.forgetFrontends();
    maps.flows4.deleteMany([...maps.flows4.entries()].map(([key]) => key));
    maps.flows6.deleteMany([...maps.flows6.entries()].map(([key]) => key));
    maps.conns.deleteMany([...maps.conns.entries()].map(([key]) => key));
    for (let service = 0; service < this.#services; service++) lb.writeSet(2 * service, 0n);
    for (let id = 0; id < this.#backends; id++) lb.clearBackend(id);
    lb.deleteSourceRanges([...lb.sourceRanges()]);
    lb.deleteServiceAddrs([...lb.serviceAddrs()].map(([key]) => key));
    this.datapath.host.setServiceRanges([]);
    this.datapath.host.setNodeAddresses([]);
    this.datapath.host.generation = 1;
    this.#services = 0;
    this.#backends = 1;
    this.#slots = 0;
    this.#dropsBefore = this.#readDrops();
  }

  forgetFrontends(): void {
    const { frontends } = this.datapath.maps;
    frontends.deleteMany([...frontends.entries()].map(([key]) => key));
  }

  service({ proto = Proto.Tcp, frontends, backends, sourceRanges = [] }: GivenService): BenchService {
    const service = this.#services++;
    const ids = typeof backends === 'string' ? [] : backends.map((backend) => this.backend(backend, proto));
    const made = new BenchService(this, service, ids);
    made.point(typeof backends === 'string' ? backends : ids);
    this.datapath.lb.putSourceRanges(sourceRanges.map((text) => rangeKey(service, prefixOf(text))));
    const flags = FrontendFlags.ExternalIp | (sourceRanges.length > 0 ? FrontendFlags.SourceRanges : 0);
    this.datapath.lb.putFrontends(
      frontends.map(({ addr, port }) => [
        { addr: addressOf(addr), port, proto },
        { service, setInternal: 2 * service, setExternal: 2 * service, affinityS: 0, flags },
      ]),
    );
    return made;
  }

  backend({ addr, port, flags }: GivenBackend, proto: Proto): number {
    const id = this.#backends++;
    this.datapath.lb.writeBackend(id, { addr: addressOf(addr), port, proto, flags, weight: 1, zone: 0 });
    return id;
  }

  /** A word for a table of these backends. */
  table(ids: readonly number[]): bigint {
    const first = this.#slots;
    this.#slots += Math.ceil(ids.length / 16) * 16;
    this.datapath.lb.slots(first, ids.length).set(ids);
    return packSet({ mode: SetMode.Hash, first, count: ids.length });
  }

  async run(door: Door, frame: Uint8Array, options: { readonly gsoSize?: number } = {}): Promise<Outcome> {
    const [outcome] = await this.runMany(door, [frame], options);
    if (outcome === undefined) throw new Error('the runner gave no result');
    return outcome;
  }

  async runMany(
    door: Door,
    frames: readonly Uint8Array[],
    options: { readonly gsoSize?: number } = {},
  ): Promise<Outcome[]> {
    const order: Order = {
      id: this.datapath.program(door).info().id,
      context: skBuff(options.gsoSize ?? 0).toString('hex'),
      frames: frames.map((frame) => Buffer.from(frame).toString('hex')),
    };
    this.#runner.tell(JSON.stringify(order));
    const answer = await this.#runner.hear<Answer>(`the verdict of ${door}`);
    if ('error' in answer) throw new Error(`${door}: ${answer.error}`);
    return answer.runs.map(({ retval, frame }) => {
      const verdict = VERDICTS[retval];
      if (verdict === undefined) throw new Error(`${door} returned ${retval}, which is none of its verdicts`);
      return { verdict, frame: new Uint8Array(Buffer.from(frame, 'hex')) };
    });
  }

  /** Since the reset. */
  drops(): Drops {
    const now = this.#readDrops();
    return Object.fromEntries(
      Object.entries(now)
        .map(([name, { packets, bytes }]) => {
          const before = this.#dropsBefore[name] ?? { packets: 0n, bytes: 0n };
          return [name, { packets: packets - before.packets, bytes: bytes - before.bytes }] as const;
        })
        .filter(([, { packets, bytes }]) => packets !== 0n || bytes !== 0n),
    );
  }

  /** Rows of both families: key, what a packet becomes, and the rest. */
  flows(): FlowRow[] {
    const { flows4, flows6 } = this.datapath.maps;
    return [...flows4.entries(), ...flows6.entries()].map(([key, row]) => ({
      from: `${key.saddr} ${key.sport}`,
      to: `${key.daddr} ${key.dport}`,
      becomesFrom: `${row.saddr} ${row.flow.sport}`,
      becomesTo: `${row.daddr} ${row.flow.dport}`,
      nexthop: row.nexthop,
      ...row.flow,
    }));
  }

  /** As the LRU does: the row of one direction goes. */
  evict(from: End, to?: End): void {
    const { flows4, flows6 } = this.datapath.maps;
    const ours = (key: Flow4Key | Flow6Key): boolean =>
      key.saddr === from.addr &&
      key.sport === from.port &&
      (to === undefined || (key.daddr === to.addr && key.dport === to.port));
    for (const [key] of [...flows4.entries()]) if (ours(key)) flows4.delete(key);
    for (const [key] of [...flows6.entries()]) if (ours(key)) flows6.delete(key);
  }

  /** Every flow was last seen long ago. */
  age(): void {
    this.patchFlows(() => ({ lastSeen: 1 }));
  }

  patchFlows(patch: (flow: Flow) => Partial<Flow>): void {
    const { flows4, flows6 } = this.datapath.maps;
    const patched = <R extends { readonly flow: Flow }>(row: R): R => ({
      ...row,
      flow: { ...row.flow, ...patch(row.flow) },
    });
    for (const [key, row] of [...flows4.entries()]) flows4.set(key, patched(row));
    for (const [key, row] of [...flows6.entries()]) flows6.set(key, patched(row));
  }

  /** Connections by backend id. */
  opened(): Record<number, bigint> {
    return Object.fromEntries(
      [...this.datapath.maps.conns.entries()].map(([key, { opened }]) => [key.backend, opened]),
    );
  }

  /** Active connections by backend id. */
  active(): Record<number, bigint> {
    return Object.fromEntries(
      [...this.datapath.maps.conns.entries()].map(([key, { active }]) => [key.backend, active]),
    );
  }

  #readDrops(): Drops {
    const { drops } = this.datapath.maps;
    return Object.fromEntries(
      Array.from({ length: DROP_REASONS }, (_, reason) => {
        const perCpu = drops.getPerCpu(reason);
        const packets = perCpu.reduce((sum, row) => sum + row.packets, 0n);
        return [DROP_REASON_NAMES[reason] ?? '', { packets, bytes: perCpu.reduce((sum, row) => sum + row.bytes, 0n) }];
      }),
    );
  }
}

export interface FlowRow extends Flow {
  readonly from: string;
  readonly to: string;
  readonly becomesFrom: string;
  readonly becomesTo: string;
  readonly nexthop: string;
}

export class BenchService {
  readonly id: number;
  readonly backends: readonly number[];
  readonly #bench: ProgBench;

  constructor(bench: ProgBench, id: number, backends: readonly number[]) {
    this.#bench = bench;
    this.id = id;
    this.backends = backends;
  }

  /** The one store by which a list of backends changes. */
  point(to: readonly number[] | 'reject' | 'drop'): void {
    const { lb } = this.#bench.datapath;
    if (to === 'reject' || to === 'drop') {
      lb.writeSet(2 * this.id, packSet({ mode: to === 'drop' ? SetMode.Drop : SetMode.Reject, first: 0, count: 0 }));
      return;
    }
    lb.writeSet(2 * this.id, this.#bench.table(to));
  }
}

/** struct __sk_buff: a test run takes few of its fields. */
function skBuff(gsoSize: number): Buffer {
  const context = Buffer.alloc(192);
  context.writeUInt32LE(UPLINK.ifindex, 40); // ifindex; that it came in by it too, kernels before 5.15 are not to be told
  context.writeUInt32LE(gsoSize, 176);
  return context;
}
