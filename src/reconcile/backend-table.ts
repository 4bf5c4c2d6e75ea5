// SPDX-License-Identifier: Apache-2.0
// Backend ids: which key has which, how many tables use it, and when an id may be used again. An id that left its last
// table is retired: its row stays, marked, until no flow and no socket names it.

import type { Backend } from '../abi/codecs.gen.ts';
import { BackendFlags, Proto } from '../abi/enums.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Protocol } from '../model/types.ts';
import type { Locality, WantedBackend } from '../plan/types.ts';
import { Exhausted } from './exhausted.ts';

interface Entry {
  readonly id: number;
  readonly key: string;
  uses: number;
  locality: Locality;
}

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
  readonly #byKey = new Map<string, Entry>();
  /** By id; a hundred thousand of them are half the size of a Map. */
  readonly #byId: (Entry | undefined)[] = [];
  #size = 0;
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
    return this.#size;
  }

  get retired(): ReadonlyMap<number, RetiredBackend> {
    return this.#retired;
  }

  /** Of an id that is in use, or retired. */
  key(id: number): string | undefined {
    return this.#byId[id]?.key ?? this.#retired.get(id)?.key;
  }

  /** The id of a backend, its row written; counts one more table that uses it. */
  acquire(backend: WantedBackend, protocol: Protocol): number {
    const known = this.#byKey.get(backend.key);
    if (known !== undefined) {
      known.uses++;
      if (backend.locality !== 'unknown' && backend.locality !== known.locality) {
        known.locality = backend.locality;
        this.#write(known.id, backend, protocol, known.locality);
      }
      return known.id;
    }
    const id = this.#revive(backend.key) ?? this.#takeId();
    const entry: Entry = { id, key: backend.key, uses: 1, locality: backend.locality };
    this.#byKey.set(entry.key, entry);
    this.#byId[id] = entry;
    this.#size++;
    this.#write(id, backend, protocol, entry.locality);
    return id;
  }

  /** One table less; without any, the row is marked retired (call after a grace period: programs may still choose it). */
  release(id: number): void {
    const entry = this.#byId[id];
    if (entry === undefined || --entry.uses > 0) return;
    this.#byId[id] = undefined;
    this.#size--;
    this.#byKey.delete(entry.key);
    this.#setRetired(id, entry.key);
    const row = this.#maps.readBackend(id);
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
      for (; this.#next < id; this.#next++) this.#free.push(this.#next);
      this.#next = id + 1;
      const key = backendKey(row);
      if (row.flags & BackendFlags.Retired || this.#byKey.has(key)) this.#setRetired(id, key);
      else {
        const entry: Entry = { id, key, uses: 0, locality: localityOf(row.flags) };
        this.#byKey.set(key, entry);
        this.#byId[id] = entry;
        this.#size++;
      }
    }
  }

  /** A restored table uses this id. False: it is free or retired, no table should. */
  use(id: number): boolean {
    const entry = this.#byId[id];
    if (entry === undefined) return false;
    entry.uses++;
    return true;
  }

  /** After all restored tables have called use(), and a grace period: retires what none of them uses. */
  retireUnused(): void {
    for (const entry of this.#byId) {
      if (entry === undefined || entry.uses > 0) continue;
      entry.uses = 1;
      this.release(entry.id);
    }
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

  #write(id: number, backend: WantedBackend, protocol: Protocol, locality: Locality): void {
    this.#maps.writeBackend(id, {
      addr: backend.address,
      port: backend.port,
      proto: PROTO[protocol],
      flags: LOCALITY_FLAG[locality],
      weight: 1,
      zone: 0,
    });
  }
}

export function backendKey(row: Pick<Backend, 'addr' | 'port' | 'proto'>): string {
  return `${row.addr} ${String(row.port)}/${PROTOCOL[row.proto] ?? 'TCP'}`;
}

function localityOf(flags: number): Locality {
  if (flags & BackendFlags.Local) return 'local';
  return flags & BackendFlags.Remote ? 'remote' : 'unknown';
}
