// SPDX-License-Identifier: Apache-2.0
// Backend ids: which key has which, how many tables use it, and when an id may be used again. An id that left its last
// table is retired: its row stays, marked, until no flow and no socket names it.

import type { Backend } from '../abi/codecs.gen.ts';
import { BackendFlags, Proto } from '../abi/enums.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Protocol } from '../model/types.ts';
import type { Locality, WantedBackend } from '../plan/types.ts';
import { BackendIndex } from './backend-index.ts';
import { Exhausted } from './exhausted.ts';

const PROTO: Readonly<Record<Protocol, Proto>> = { TCP: Proto.Tcp, UDP: Proto.Udp, SCTP: Proto.Sctp };
const PROTOCOL: Readonly<Record<number, Protocol>> = { [Proto.Tcp]: 'TCP', [Proto.Udp]: 'UDP', [Proto.Sctp]: 'SCTP' };
const LOCALITY_FLAG: Readonly<Record<Locality, number>> = {
  local: BackendFlags.Local,
  remote: BackendFlags.Remote,
  unknown: 0,
};

/** A new one each time that the id is retired. */
export interface RetiredBackend {
  readonly key: string;
}

export class BackendTable {
  readonly #maps: LbMaps;
  readonly #byKey = new BackendIndex((id) => this.#keyOf(id));
  /** By id; undefined: not in use. */
  readonly #uses: (number | undefined)[] = [];
  /** Retired ids, waiting for the last flow. */
  readonly #retired = new Map<number, RetiredBackend>();
  readonly #retiredByKey = new Map<string, number>();
  /** First in, first out: an id rests as long as possible. */
  readonly #free: number[] = [];
  /** Ids below have been used; 0 is never handed out, it is what an untouched slot holds. */
  #next = 1;

  constructor(maps: LbMaps) {
    this.#maps = maps;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get retired(): ReadonlyMap<number, RetiredBackend> {
    return this.#retired;
  }

  /** Of an id that is in use, or retired. */
  key(id: number): string | undefined {
    return this.#uses[id] === undefined ? this.#retired.get(id)?.key : this.#keyOf(id);
  }

  /** The id of a backend that is in use. */
  find(key: string): number | undefined {
    return this.#byKey.find(key);
  }

  /** Of a backend that is in use, or retired. */
  idOf(key: string): number | undefined {
    return this.find(key) ?? this.#retiredByKey.get(key);
  }

  /** The id of a backend, its row written; counts one more table that uses it. */
  acquire(backend: WantedBackend, protocol: Protocol): number {
    const known = this.#byKey.find(backend.key);
    if (known !== undefined) {
      this.use(known);
      this.#refreshLocality(known, backend, protocol);
      return known;
    }
    const id = this.#revive(backend.key) ?? this.#takeId();
    this.#write(id, backend, protocol);
    this.#enter(id, backend.key, 1);
    return id;
  }

  /** One table less; without any, the row is marked retired (call after a grace period: programs may still choose it). */
  release(id: number): void {
    const uses = this.#uses[id];
    if (uses === undefined) return;
    if (uses > 1) {
      this.#uses[id] = uses - 1;
      return;
    }
    this.#uses[id] = undefined;
    this.#byKey.remove(id);
    const row = this.#maps.readBackend(id);
    this.#setRetired(id, backendKey(row));
    this.#maps.writeBackend(id, { ...row, flags: row.flags | BackendFlags.Retired });
  }

  /** Nothing names these any more; one that was in use meanwhile stays. */
  forget(retired: Iterable<readonly [id: number, as: RetiredBackend]>): void {
    for (const [id, as] of retired) {
      if (this.#retired.get(id) !== as) continue;
      this.#dropRetired(id, as.key);
      this.#maps.clearBackend(id);
      this.#free.push(id);
    }
  }

  /** Reads the rows back; every id starts without a use, tables add theirs by use(). */
  restore(): void {
    for (const [id, row] of this.#maps.backends()) {
      for (; this.#next < id; this.#next++) {
        this.#free.push(this.#next);
        // Without holes: they would make a dictionary of the array.
        this.#uses[this.#next] = undefined;
      }
      this.#next = id + 1;
      const key = backendKey(row);
      if (row.flags & BackendFlags.Retired || this.#byKey.find(key) !== undefined) this.#setRetired(id, key);
      else this.#enter(id, key, 0);
    }
  }

  /** A restored table uses this id. False: it is free or retired, no table should. */
  use(id: number): boolean {
    const uses = this.#uses[id];
    if (uses === undefined) return false;
    this.#uses[id] = uses + 1;
    return true;
  }

  /** After all restored tables have called use(), and a grace period: retires what none of them uses. */
  retireUnused(): void {
    for (const [id, uses] of this.#uses.entries()) if (uses === 0) this.release(id);
  }

  #keyOf(id: number): string {
    return backendKey(this.#maps.readBackend(id));
  }

  #enter(id: number, key: string, uses: number): void {
    this.#byKey.add(id, key);
    this.#uses[id] = uses;
  }

  #setRetired(id: number, key: string): void {
    this.#retired.set(id, { key });
    this.#retiredByKey.set(key, id);
  }

  #dropRetired(id: number, key: string): void {
    this.#retired.delete(id);
    if (this.#retiredByKey.get(key) === id) this.#retiredByKey.delete(key);
  }

  /** A backend that returns while flows still name it gets its id back. */
  #revive(key: string): number | undefined {
    const id = this.#retiredByKey.get(key);
    if (id !== undefined) this.#dropRetired(id, key);
    return id;
  }

  #takeId(): number {
    if (this.#next < this.#maps.capacity.backends) return this.#next++;
    const id = this.#free.shift();
    if (id === undefined) {
      throw new Exhausted(
        `all ${String(this.#maps.capacity.backends)} backend rows are in use (${String(this.#retired.size)} of them only by running flows)`,
      );
    }
    return id;
  }

  #refreshLocality(id: number, backend: WantedBackend, protocol: Protocol): void {
    const flag = LOCALITY_FLAG[backend.locality];
    if (flag !== 0 && (this.#maps.readBackend(id).flags & flag) === 0) this.#write(id, backend, protocol);
  }

  #write(id: number, backend: WantedBackend, protocol: Protocol): void {
    this.#maps.writeBackend(id, {
      addr: backend.address,
      port: backend.port,
      proto: PROTO[protocol],
      flags: LOCALITY_FLAG[backend.locality],
      weight: 1,
      zone: 0,
    });
  }
}

export function backendKey(row: Pick<Backend, 'addr' | 'port' | 'proto'>): string {
  return `${row.addr} ${String(row.port)}/${PROTOCOL[row.proto] ?? 'TCP'}`;
}
