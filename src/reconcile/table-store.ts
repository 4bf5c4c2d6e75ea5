// SPDX-License-Identifier: Apache-2.0
// Slot tables: immutable, shared by content. A set's word points at one; a change makes a new table in free slots, and
// the old one is freed when no word points at it and a grace period has passed.

import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Protocol } from '../model/types.ts';
import { maglevTable, tableSize } from '../plan/maglev.ts';
import type { WantedBackend } from '../plan/types.ts';
import type { BackendTable } from './backend-table.ts';
import { SlotAllocator } from './slot-allocator.ts';

export interface Table {
  /** The backends' ids, in the order of their sorted keys: identity, and at the same time the only list of them. */
  readonly content: string;
  readonly first: number;
  readonly count: number;
  uses: number;
  /** Since the last use ended; undefined before. */
  retired: RetiredTable | undefined;
}

/** A new one each time that a table's last use ends: a grace period that began before says nothing about it. */
export interface RetiredTable {
  readonly table: Table;
}

interface NamedBackend {
  readonly id: number;
  readonly key: string;
}

export class TableStore {
  readonly #maps: LbMaps;
  readonly #backends: BackendTable;
  readonly #slots: SlotAllocator;
  readonly #present = new Set<Table>();
  /** Those that can be shared: sound, and of today's size. */
  readonly #byContent = new Map<string, Table>();
  readonly #cap: number;

  constructor(maps: LbMaps, backends: BackendTable, cap: number) {
    this.#maps = maps;
    this.#backends = backends;
    this.#slots = new SlotAllocator(maps.capacity.slotSegments);
    this.#cap = cap;
  }

  get size(): number {
    return this.#present.size;
  }

  /** A table for these backends (at least one, sorted), its slots written; counts one more set that uses it. */
  acquire(backends: readonly WantedBackend[], protocol: Protocol): Table {
    const known = this.#find(backends);
    if (known !== undefined) {
      this.#refreshLocality(backends, protocol);
      known.uses++;
      return known;
    }
    const count = tableSize(backends.length, this.#cap);
    const first = this.#slots.allocate(count);
    const ids: number[] = [];
    try {
      const slots = this.#maps.slots(first, count);
      for (const backend of backends) ids.push(this.#backends.acquire(backend, protocol));
      fillSlots(slots, backends, ids);
    } catch (error) {
      for (const id of ids) this.#backends.release(id);
      this.#slots.free(first, count);
      throw error;
    }
    const table: Table = { content: toContent(ids), first, count, uses: 1, retired: undefined };
    this.#present.add(table);
    this.#byContent.set(table.content, table);
    return table;
  }

  /** One set less. Defined: this was the last, free() it after a grace period. */
  release(table: Table): RetiredTable | undefined {
    if (--table.uses > 0) return undefined;
    table.retired = { table };
    return table.retired;
  }

  /** Frees a table's slots and its hold on backends; nothing when it has been in use since. */
  free(retired: RetiredTable): void {
    const { table } = retired;
    if (table.uses > 0 || table.retired !== retired || !this.#present.delete(table)) return;
    if (this.#byContent.get(table.content) === table) this.#byContent.delete(table.content);
    this.#slots.free(table.first, table.count);
    for (const id of idsOf(table)) this.#backends.release(id);
  }

  /** Takes over the tables that present words point at. One that is damaged holds its slots until no word does. */
  restore(words: Iterable<{ readonly first: number; readonly count: number }>): Map<number, Table> {
    const byFirst = new Map<number, Table>();
    const lastSeen = new Uint32Array(this.#maps.capacity.backends);
    // By place, so that each window is mapped once.
    for (const { first, count } of [...words].sort((a, b) => a.first - b.first)) {
      if (byFirst.has(first)) continue;
      const { named, sound } = this.#namedBySlots(first, count, lastSeen, byFirst.size + 1);
      const content = toContent(named.map(({ id }) => id));
      const table: Table = { content, first, count, uses: 0, retired: undefined };
      byFirst.set(first, table);
      this.#present.add(table);
      if (sound && !this.#byContent.has(content) && count === tableSize(named.length, this.#cap)) {
        this.#byContent.set(content, table);
      }
    }
    this.#slots.restore(this.#maps.slotSegments(), byFirst.values());
    return byFirst;
  }

  /** Backends that a table's slots name, by key; not sound: a slot names none, or one that has left. Marks them in
   * lastSeen with a number of this table's own: there are millions of slots, a Set of them would take seconds. */
  #namedBySlots(
    first: number,
    count: number,
    lastSeen: Uint32Array,
    mark: number,
  ): { named: NamedBackend[]; sound: boolean } {
    const slots = this.#maps.slots(first, count);
    const named: NamedBackend[] = [];
    let sound = slots.length === count;
    for (const id of slots) {
      if (lastSeen[id] === mark) continue;
      lastSeen[id] = mark;
      const key = this.#backends.key(id);
      if (key !== undefined && this.#backends.use(id)) named.push({ id, key });
      else sound = false;
    }
    named.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { named, sound };
  }

  #find(backends: readonly WantedBackend[]): Table | undefined {
    const ids: number[] = [];
    for (const { key } of backends) {
      const id = this.#backends.find(key);
      if (id === undefined) return undefined;
      ids.push(id);
    }
    return this.#byContent.get(toContent(ids));
  }

  #refreshLocality(backends: readonly WantedBackend[], protocol: Protocol): void {
    for (const backend of backends) this.#backends.release(this.#backends.acquire(backend, protocol));
  }
}

/** ids belong to backends, one by one. */
function fillSlots(slots: Uint32Array, backends: readonly WantedBackend[], ids: readonly number[]): void {
  const order = maglevTable(
    backends.map((backend) => backend.key),
    slots.length,
  );
  for (let slot = 0; slot < slots.length; slot++) slots[slot] = ids[order[slot] ?? 0] ?? 0;
}

function toContent(ids: readonly number[]): string {
  return ids.join(' ');
}

/** The backends of a table. */
export function idsOf({ content }: Table): number[] {
  return content === '' ? [] : content.split(' ').map(Number);
}
