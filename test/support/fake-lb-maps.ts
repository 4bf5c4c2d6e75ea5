// SPDX-License-Identifier: Apache-2.0
// The Service maps in memory, for tests of the reconciler. Fallible operations can be told to fail; a grace period ends
// when the test says so, or at once. After every write an observer may look whether a client could see half a change.

import type { Backend, Frontend, FrontendKey, Service } from '../../src/abi/codecs.gen.ts';
import { SetMode, SlotGeometry } from '../../src/abi/enums.gen.ts';
import { unpackSet } from '../../src/abi/set-word.ts';
import type { Capacity, LbMaps, Row } from '../../src/datapath/lb-maps.ts';
import { UNSPECIFIED } from '../../src/net/ip.ts';

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;
const FREE: Backend = { addr: UNSPECIFIED[6], port: 0, proto: 6, flags: 0, weight: 0, zone: 0 };

export class FakeLbMaps implements LbMaps {
  readonly capacity: Capacity;
  /** True: the next fallible operation throws. */
  fails: () => boolean = () => false;
  /** Called after every write that a program could see. */
  observer: () => void = () => undefined;
  /** Every write, in order, in words. */
  readonly writes: string[] = [];
  readonly #sets = new Map<number, bigint>();
  readonly #backends = new Map<number, Backend>();
  readonly #segments: Uint32Array[] = [];
  readonly #frontends = new Map<string, Row<FrontendKey, Frontend>>();
  readonly #services = new Map<number, Service>();

  constructor(capacity: Partial<Capacity> = {}) {
    this.capacity = { frontends: 4096, services: 512, backends: 1024, slotSegments: 4, ...capacity };
  }

  readSet(set: number): bigint {
    return this.#sets.get(set) ?? 0n;
  }

  writeSet(set: number, word: bigint): void {
    this.#sets.set(set, word);
    this.#wrote(`set ${set}`);
  }

  *backends(): Generator<Row<number, Backend>> {
    for (const id of [...this.#backends.keys()].sort((a, b) => a - b)) yield [id, this.readBackend(id)];
  }

  readBackend(id: number): Backend {
    return this.#backends.get(id) ?? FREE;
  }

  writeBackend(id: number, row: Backend): void {
    this.#backends.set(id, row);
    this.#wrote(`backend ${id}`);
  }

  clearBackend(id: number): void {
    this.#backends.delete(id);
    this.#wrote(`no backend ${id}`);
  }

  slotSegment(segment: number): Uint32Array {
    while (this.#segments.length <= segment) this.#segments.push(new Uint32Array(SEGMENT_SLOTS));
    return this.#segments[segment] ?? new Uint32Array();
  }

  slotSegments(): number {
    return this.#segments.length;
  }

  frontends(): Iterable<Row<FrontendKey, Frontend>> {
    return [...this.#frontends.values()];
  }

  putFrontends(rows: readonly Row<FrontendKey, Frontend>[]): void {
    for (const row of rows) {
      this.#mayFail('frontends');
      if (this.#frontends.size >= this.capacity.frontends) throw new Error('the map frontends is full');
      this.#frontends.set(name(row[0]), row);
      this.#wrote(`frontend ${name(row[0])}`);
    }
  }

  deleteFrontends(keys: readonly FrontendKey[]): void {
    for (const key of keys) {
      this.#mayFail('frontends');
      this.#frontends.delete(name(key));
      this.#wrote(`no frontend ${name(key)}`);
    }
  }

  services(): Iterable<Row<number, Service>> {
    return [...this.#services];
  }

  putServices(rows: readonly Row<number, Service>[]): void {
    for (const [id, row] of rows) {
      this.#mayFail('services');
      this.#services.set(id, row);
      this.#wrote(`service ${id}`);
    }
  }

  deleteServices(ids: readonly number[]): void {
    for (const id of ids) {
      this.#services.delete(id);
      this.#wrote(`no service ${id}`);
    }
  }

  gracePeriod(): Promise<void> {
    return Promise.resolve();
  }

  /** What a client sees: each frontend with the addresses behind its two sets, or how it is turned away. Throws where a
   * program would meet something that is not there. */
  view(): Record<string, { internal: string; external: string; service: string }> {
    const view: Record<string, { internal: string; external: string; service: string }> = {};
    for (const [key, row] of this.#frontends.values()) {
      const service = this.#services.get(row.service);
      if (service === undefined) throw new Error(`${name(key)} names service ${row.service}, which has no row`);
      view[name(key)] = {
        service: `${service.namespace}/${service.name}:${service.portName}`,
        internal: this.#behind(row.setInternal),
        external: this.#behind(row.setExternal),
      };
    }
    return view;
  }

  #behind(set: number): string {
    const { mode, first, count } = unpackSet(this.readSet(set));
    if (mode === SetMode.Reject) return 'reject';
    if (mode === SetMode.Drop) return 'drop';
    const slots = this.slotSegment(Math.floor(first / SEGMENT_SLOTS));
    const ids = new Set(slots.subarray(first % SEGMENT_SLOTS, (first % SEGMENT_SLOTS) + count));
    const addresses = [...ids].map((id) => {
      const row = this.#backends.get(id);
      if (row === undefined) throw new Error(`set ${set} has a slot that names backend ${id}, which is free`);
      return `${row.addr}:${row.port}`;
    });
    return addresses.sort().join(' ');
  }

  #mayFail(map: string): void {
    if (this.fails()) throw new Error(`injected failure of map ${map}`);
  }

  #wrote(what: string): void {
    this.writes.push(what);
    this.observer();
  }
}

function name({ addr, port, proto }: FrontendKey): string {
  return `${addr} ${port}/${proto}`;
}
