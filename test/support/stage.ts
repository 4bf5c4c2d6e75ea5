// SPDX-License-Identifier: Apache-2.0
// A reconciler on maps in memory, with programs that watch every write. Tests change objects and wait until all is done;
// faults, restarts and kills are theirs to order.

import { SetMode } from '../../src/abi/enums.gen.ts';
import { unpackSet } from '../../src/abi/set-word.ts';
import type { Capacity } from '../../src/datapath/lb-maps.ts';
import { Store } from '../../src/model/store.ts';
import type { EndpointSlice, Service } from '../../src/model/types.ts';
import { objectKey } from '../../src/model/types.ts';
import { Reconciler } from '../../src/reconcile/reconciler.ts';
import { DEFAULT_TIMEOUTS, Sweeper } from '../../src/reconcile/sweeper.ts';
import { FakeKernel, FakeLbMaps } from './fake-lb-maps.ts';
import type { NaivePort } from './naive-plan.ts';
import { naivePorts } from './naive-plan.ts';
import { Programs } from './programs.ts';
import { waitFor } from './wait.ts';

export interface StageOptions {
  readonly capacity?: Partial<Capacity>;
  /** Asked before every fallible operation. */
  readonly fails?: FakeLbMaps['fails'];
  readonly tableCap?: number;
  /** Milliseconds before a retry. */
  readonly retryMs?: number;
  /** That of an earlier stage. */
  readonly kernel?: FakeKernel;
}

/** A Service or slice as it is from now on, or the name of a Service that is deleted. */
export type Change = Service | EndpointSlice | string;

export const NODE = 'here';

export class Stage {
  readonly kernel: FakeKernel;
  readonly programs: Programs;
  readonly errors: unknown[] = [];
  maps!: FakeLbMaps;
  store = new Store();
  reconciler!: Reconciler;
  readonly #options: StageOptions;
  /** Owners of frontends when all was last done. */
  readonly #owners = new Map<string, string>();

  constructor(options: StageOptions = {}) {
    this.#options = options;
    this.kernel = options.kernel ?? new FakeKernel(options.capacity);
    this.programs = new Programs(this.kernel);
    this.start();
  }

  /** A new agent, to which the sources deliver everything anew; one that is named has yet to say that this is all. */
  start(pending?: string): void {
    const { fails, tableCap = 131071, retryMs = 0 } = this.#options;
    this.maps = new FakeLbMaps(this.kernel);
    this.maps.observers.push(this.programs);
    if (fails !== undefined) this.maps.fails = fails;
    const before = this.store;
    this.store = new Store();
    if (pending !== undefined) this.store.expectSync(pending);
    for (const service of before.services.values()) this.store.setService(service);
    for (const slices of before.slices.values()) for (const slice of slices) this.store.setSlice(slice);
    for (const node of before.nodes.values()) this.store.setNode(node);
    this.reconciler = new Reconciler({
      maps: this.maps,
      store: this.store,
      nodeName: NODE,
      tableCap,
      backoff: () => retryMs,
    });
    this.reconciler.on('error', (error) => this.errors.push(error));
    this.reconciler.start();
  }

  async restart(): Promise<void> {
    await this.reconciler.stop();
    this.start();
  }

  /** Lets the agent do that many writes more, and starts another. False: it was done before. */
  async kill(writes: number): Promise<boolean> {
    const { maps } = this;
    maps.lifetime = writes;
    await waitFor('the agent to die or to be done', () => maps.isDead || this.reconciler.isIdle, { intervalMs: 0 });
    const killed = maps.isDead;
    maps.lifetime = 0;
    await this.restart();
    return killed;
  }

  /** One step of the sources: the agent sees all of it at once. */
  change(...objects: readonly Change[]): void {
    for (const object of objects) {
      if (typeof object === 'string') this.store.deleteService(`default/${object}`);
      else if ('clusterIPs' in object) this.store.setService(object);
      else this.store.setSlice(object);
    }
    this.permit();
  }

  /** Adds what the objects want now to what programs may see, and holds frontends to what they have promised. */
  permit(): void {
    const ports = this.ports();
    this.programs.permit(ports);
    for (const [frontend, owner] of this.#owners) {
      const claimed = ports
        .filter(({ frontends }) => frontends.has(frontend))
        .map(({ name }) => name.replace(/:.*/, ''));
      // A move to another Service may leave a hole only when a write fails in the midst of it.
      if (claimed.includes(owner) || (claimed.length > 0 && this.#options.fails === undefined)) continue;
      this.#owners.delete(frontend);
      this.programs.steady.delete(frontend);
    }
  }

  /** What the objects want. */
  ports(): NaivePort[] {
    const { services, slices } = this.store;
    return [...services.values()].flatMap((service) => naivePorts(service, slices.get(objectKey(service)) ?? [], NODE));
  }

  /** All is applied, retried, freed. */
  async settled(): Promise<void> {
    await waitFor('the reconciler to be done', () => this.reconciler.isIdle, { intervalMs: 0 });
    this.programs.reset();
    this.#owners.clear();
    this.programs.steady.clear();
    for (const [, row] of this.programs.view()) if (row.includes('which')) this.programs.violations.push(row);
    const ports = this.ports();
    this.programs.permit(ports);
    for (const [frontend, row] of this.programs.view()) {
      this.#owners.set(frontend, row.replace(/:.*/, ''));
      this.programs.steady.add(frontend);
    }
  }

  /** What each frontend may look like in the end: where several Services want one, any of them may have it. */
  wanted(): Map<string, Set<string>> {
    const wanted = new Map<string, Set<string>>();
    for (const { name, frontends, lists } of this.ports()) {
      for (const [frontend, { flags, affinity, internal, external }] of frontends) {
        const row = `${name} | flags ${flags} affinity ${affinity} | ${lists[internal]} | ${lists[external]}`;
        wanted.set(frontend, (wanted.get(frontend) ?? new Set()).add(row));
      }
    }
    return wanted;
  }

  /** Differences between maps and objects, and what programs met on the way. Empty: all is well. */
  faults(): string[] {
    const wanted = this.wanted();
    const view = this.programs.view();
    return [
      ...this.programs.violations,
      ...[...wanted.keys()].filter((frontend) => !view.has(frontend)).map((frontend) => `${frontend} is not there`),
      ...[...view]
        .filter(([frontend, row]) => wanted.get(frontend)?.has(row) !== true)
        .map(
          ([frontend, row]) => `${frontend} is ${row}, not ${[...(wanted.get(frontend) ?? ['there'])].join(' or ')}`,
        ),
    ];
  }

  /** Rows that nothing wants, after a sweep that finds no flows. */
  async leftovers(): Promise<string[]> {
    const { kernel, reconciler, maps } = this;
    const { fails } = maps;
    maps.fails = () => false;
    await new Sweeper(maps, maps, DEFAULT_TIMEOUTS).sweep(reconciler.backends, reconciler.ids);
    maps.fails = fails;
    const ports = this.ports();
    const lists = new Set<string>();
    const backends = new Set<string>();
    for (const { name, frontends, lists: of } of ports) {
      const [, proto = ''] = name.split(':')[1]?.split('/') ?? [];
      for (const { internal, external, affinity } of frontends.values()) {
        for (const list of [of[internal], of[external]].filter((text) => text !== 'reject' && text !== 'drop')) {
          lists.add(`${proto} ${list}${affinity > 0 ? ' with members' : ''}`);
          for (const backend of list.split(' ')) backends.add(`${backend}/${proto}`);
        }
      }
    }
    const used = [...kernel.sets.values()].filter((word) => unpackSet(word).mode === SetMode.Hash);
    const held = [...kernel.backends.values()].map(({ addr, port, proto }) => `${addr}:${port}/${proto}`);
    return [
      ...held.filter((backend) => !backends.has(backend)).map((backend) => `backend ${backend}`),
      ...(held.length === backends.size ? [] : [`${held.length} backends for ${backends.size}`]),
      ...(kernel.services.size === ports.length ? [] : [`${kernel.services.size} services for ${ports.length} ports`]),
      ...(reconciler.tables.size === lists.size ? [] : [`${reconciler.tables.size} tables for ${lists.size} lists`]),
      ...(new Set(used).size === lists.size ? [] : [`${new Set(used).size} words for ${lists.size} lists`]),
    ];
  }
}
