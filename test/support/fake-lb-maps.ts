// SPDX-License-Identifier: Apache-2.0
// The maps in memory, for tests of the reconciler and the sweeper. Fallible operations fail as told, an agent can be
// killed between any two writes, a grace period ends when the test says so, and after every write an observer may look.

import type {
  Affinity,
  AffinityKey,
  Backend,
  Conns,
  Flow4,
  Flow4Key,
  Flow6,
  Flow6Key,
  Frontend,
  FrontendKey,
  PairKey,
  Service,
  ServiceAddr,
  ServiceAddrKey,
  Socket,
  SocketKey,
  SourceRangeKey,
  Traffic,
  UdpPeer,
  UdpPeerKey,
} from '../../src/abi/codecs.gen.ts';
import { SlotGeometry } from '../../src/abi/enums.gen.ts';
import type { Capacity, EndedFlow, FlowMaps, FlowRemover, LbMaps, Row } from '../../src/datapath/lb-maps.ts';
import { UNSPECIFIED } from '../../src/net/ip.ts';

export const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;
const FREE: Backend = { addr: UNSPECIFIED[6], port: 0, proto: 6, flags: 0, weight: 0, zone: 0 };

/** What happens to the maps besides being written. */
export interface Observer {
  /** After every write that a program could see. */
  wrote(what: string): void;
  /** A grace period begins; the result is called when it has ended. */
  graceBegins(): () => void;
}

/** What stays when the agent goes. Tests read it, and write the programs' maps. */
export class FakeKernel {
  readonly capacity: Capacity;
  readonly sets = new Map<number, bigint>();
  readonly backends = new Map<number, Backend>();
  readonly segments: Uint32Array[] = [];
  /** Raised whenever an agent may write to slots. */
  slotVisits = 0;
  readonly frontends = new Map<string, Row<FrontendKey, Frontend>>();
  readonly services = new Map<number, Service>();
  readonly flows4 = new Map<string, Row<Flow4Key, Flow4>>();
  readonly flows6 = new Map<string, Row<Flow6Key, Flow6>>();
  readonly sockets: Row<SocketKey, Socket>[] = [];
  readonly udpPeers: Row<UdpPeerKey, UdpPeer>[] = [];
  readonly serviceAddrs = new Map<string, Row<ServiceAddrKey, ServiceAddr>>();
  readonly sourceRanges = new Map<string, SourceRangeKey>();
  /** By pairName. */
  readonly conns = new Map<string, Conns>();
  readonly affinity: Row<AffinityKey, Affinity>[] = [];
  readonly traffic = new Map<string, Row<PairKey, Traffic>>();

  constructor(capacity: Partial<Capacity> = {}) {
    this.capacity = { frontends: 4096, services: 512, backends: 1024, slotSegments: 4, ...capacity };
  }
}

/** An agent's hold on the maps. */
export class FakeLbMaps implements LbMaps, FlowMaps, FlowRemover {
  readonly kernel: FakeKernel;
  /** True: this fallible operation throws; of what is it, a row's name for instance. */
  fails: (operation: string, of: string) => boolean = () => false;
  observers: Observer[] = [];
  /** Every write, in order, in words. */
  readonly writes: string[] = [];
  /** When set, grace periods end when the test calls the elements. */
  graces: (() => void)[] | undefined;
  /** Writes until the agent dies: what it tries after them does not happen. */
  lifetime = Infinity;
  /** It has tried. */
  isDead = false;

  constructor(kernel = new FakeKernel()) {
    this.kernel = kernel;
  }

  get capacity(): Capacity {
    return this.kernel.capacity;
  }

  readSet(set: number): bigint {
    return this.kernel.sets.get(set) ?? 0n;
  }

  writeSet(set: number, word: bigint): void {
    this.#write(`set ${set}`, () => this.kernel.sets.set(set, word));
  }

  *backends(): Generator<Row<number, Backend>> {
    for (const id of [...this.kernel.backends.keys()].sort((a, b) => a - b)) yield [id, this.readBackend(id)];
  }

  readBackend(id: number): Backend {
    return this.kernel.backends.get(id) ?? FREE;
  }

  writeBackend(id: number, row: Backend): void {
    this.#write(`backend ${id}`, () => this.kernel.backends.set(id, row));
  }

  clearBackend(id: number): void {
    this.#write(`no backend ${id}`, () => this.kernel.backends.delete(id));
  }

  slots(first: number, count: number): Uint32Array {
    const segment = Math.floor(first / SEGMENT_SLOTS);
    this.kernel.slotVisits++;
    while (this.kernel.segments.length <= segment) {
      this.#mayFail('slots');
      this.kernel.segments.push(new Uint32Array(SEGMENT_SLOTS));
    }
    const begin = first % SEGMENT_SLOTS;
    return this.kernel.segments[segment]?.subarray(begin, begin + count) ?? new Uint32Array();
  }

  slotSegments(): number {
    return this.kernel.segments.length;
  }

  frontends(): Iterable<Row<FrontendKey, Frontend>> {
    return [...this.kernel.frontends.values()];
  }

  putFrontends(rows: readonly Row<FrontendKey, Frontend>[]): void {
    for (const row of rows) {
      const { frontends } = this.kernel;
      const name = frontendName(row[0]);
      this.#mayFail('putFrontends', name);
      if (!frontends.has(name) && frontends.size >= this.capacity.frontends) throw new Error('map frontends is full');
      this.#write(`frontend ${name}`, () => frontends.set(name, row));
    }
  }

  deleteFrontends(keys: readonly FrontendKey[]): void {
    for (const name of keys.map(frontendName)) {
      this.#mayFail('deleteFrontends', name);
      this.#write(`no frontend ${name}`, () => this.kernel.frontends.delete(name));
    }
  }

  services(): Iterable<Row<number, Service>> {
    return [...this.kernel.services];
  }

  putServices(rows: readonly Row<number, Service>[]): void {
    for (const [id, row] of rows) {
      this.#mayFail('putServices', row.name);
      this.#write(`service ${id}`, () => this.kernel.services.set(id, row));
    }
  }

  deleteServices(ids: readonly number[]): void {
    for (const id of ids) {
      this.#mayFail('deleteServices');
      this.#write(`no service ${id}`, () => this.kernel.services.delete(id));
    }
  }

  serviceAddrs(): Iterable<Row<ServiceAddrKey, ServiceAddr>> {
    return [...this.kernel.serviceAddrs.values()];
  }

  putServiceAddrs(rows: readonly Row<ServiceAddrKey, ServiceAddr>[]): void {
    for (const row of rows) {
      this.#mayFail('putServiceAddrs', row[0].addr);
      this.#write(`address ${row[0].addr}`, () => this.kernel.serviceAddrs.set(row[0].addr, row));
    }
  }

  deleteServiceAddrs(keys: readonly ServiceAddrKey[]): void {
    for (const { addr } of keys) {
      this.#mayFail('deleteServiceAddrs', addr);
      this.#write(`no address ${addr}`, () => this.kernel.serviceAddrs.delete(addr));
    }
  }

  sourceRanges(): Iterable<SourceRangeKey> {
    return [...this.kernel.sourceRanges.values()];
  }

  putSourceRanges(keys: readonly SourceRangeKey[]): void {
    for (const key of keys) {
      this.#mayFail('putSourceRanges', key.addr);
      this.#write(`range ${rangeName(key)}`, () => this.kernel.sourceRanges.set(rangeName(key), key));
    }
  }

  deleteSourceRanges(keys: readonly SourceRangeKey[]): void {
    for (const key of keys) {
      this.#mayFail('deleteSourceRanges', key.addr);
      this.#write(`no range ${rangeName(key)}`, () => this.kernel.sourceRanges.delete(rangeName(key)));
    }
  }

  async gracePeriod(): Promise<void> {
    const { graces } = this;
    const ends = this.observers.map((observer) => observer.graceBegins());
    if (graces !== undefined) await new Promise<void>((resolve) => graces.push(resolve));
    this.#mayFail('gracePeriod');
    for (const end of ends) end();
  }

  flows4(): Iterable<Row<Flow4Key, Flow4>> {
    return [...this.kernel.flows4.values()];
  }

  flows6(): Iterable<Row<Flow6Key, Flow6>> {
    return [...this.kernel.flows6.values()];
  }

  getFlow4(key: Flow4Key): Flow4 | undefined {
    return this.kernel.flows4.get(flowName(key))?.[1];
  }

  getFlow6(key: Flow6Key): Flow6 | undefined {
    return this.kernel.flows6.get(flowName(key))?.[1];
  }

  deleteFlows4(keys: readonly Flow4Key[]): void {
    this.#mayFail('deleteFlows');
    for (const key of keys) this.kernel.flows4.delete(flowName(key));
  }

  deleteFlows6(keys: readonly Flow6Key[]): void {
    this.#mayFail('deleteFlows');
    for (const key of keys) this.kernel.flows6.delete(flowName(key));
  }

  /** As the program does. */
  remove(family: 4 | 6, flows: readonly EndedFlow[]): boolean[] {
    this.#mayFail('remove');
    const rows: Map<string, Row<Flow4Key | Flow6Key, Flow4 | Flow6>> = this.kernel[`flows${family}`];
    return flows.map(({ key, row, pair }) => {
      const pairKey = { ...key, saddr: row.daddr, daddr: row.saddr, sport: row.flow.dport, dport: row.flow.sport };
      const present = [rows.get(flowName(key))?.[1].flow, pair && rows.get(flowName(pairKey))?.[1].flow];
      const isAsSeen = [row.flow, pair?.flow].every(
        (seen, index) => seen?.packets === present[index]?.packets && seen?.lastSeen === present[index]?.lastSeen,
      );
      if (!isAsSeen) return false;
      rows.delete(flowName(key));
      if (pair !== undefined) rows.delete(flowName(pairKey));
      return true;
    });
  }

  sockets(): Iterable<Row<SocketKey, Socket>> {
    return this.kernel.sockets;
  }

  getSocket({ cookie }: SocketKey): Socket | undefined {
    return this.kernel.sockets.find(([key]) => key.cookie === cookie)?.[1];
  }

  deleteSockets(keys: readonly SocketKey[]): void {
    this.#mayFail('deleteSockets');
    for (const { cookie } of keys) {
      const at = this.kernel.sockets.findIndex(([key]) => key.cookie === cookie);
      if (at >= 0) this.kernel.sockets.splice(at, 1);
    }
  }

  udpPeers(): Iterable<Row<UdpPeerKey, UdpPeer>> {
    return this.kernel.udpPeers;
  }

  getTraffic(key: PairKey): Traffic | undefined {
    return this.kernel.traffic.get(pairName(key))?.[1];
  }

  getConns(key: PairKey): Conns | undefined {
    return this.kernel.conns.get(pairName(key));
  }

  affinity(): Iterable<Row<AffinityKey, Affinity>> {
    return [...this.kernel.affinity];
  }

  deleteAffinity(keys: readonly AffinityKey[]): void {
    this.#mayFail('deleteAffinity');
    const gone = new Set(keys.map(({ client, service }) => `${client} ${service}`));
    const left = this.kernel.affinity.filter(([{ client, service }]) => !gone.has(`${client} ${service}`));
    this.kernel.affinity.splice(0, Infinity, ...left);
  }

  putTraffic(rows: readonly Row<PairKey, Traffic>[]): void {
    this.#mayFail('putTraffic');
    for (const row of rows) this.kernel.traffic.set(pairName(row[0]), row);
  }

  #mayFail(operation: string, of = ''): void {
    this.#mustLive();
    if (this.fails(operation, of)) throw new Error(`injected failure of ${operation}`);
  }

  #mustLive(): void {
    if (this.lifetime > 0) return;
    this.isDead = true;
    throw new Error('the agent was killed before this write');
  }

  #write(what: string, store: () => void): void {
    this.#mustLive();
    this.lifetime--;
    store();
    this.writes.push(what);
    for (const observer of this.observers) observer.wrote(what);
  }
}

export function frontendName({ addr, port, proto }: FrontendKey): string {
  return `${addr} ${port}/${proto}`;
}

function rangeName({ service, addr, prefixlen }: SourceRangeKey): string {
  return `${service} ${addr}/${prefixlen}`;
}

export function flowName({ saddr, sport, daddr, dport, proto }: Flow4Key | Flow6Key): string {
  return `${saddr} ${sport} > ${daddr} ${dport}/${proto}`;
}

export function pairName({ service, backend }: PairKey): string {
  return `${service} ${backend}`;
}
