// SPDX-License-Identifier: Apache-2.0
// Slot tables: immutable, shared by content. A set's word points at one; a change makes a new table in free slots, and
// the old one is freed when no word points at it and a grace period has passed.

import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Protocol } from '../model/types.ts';
import type { Algorithm } from '../plan/algorithm.ts';
import { greatestCommonDivisor, slotLayout, usesWeights } from '../plan/algorithm.ts';
import { tableSize } from '../plan/maglev.ts';
import type { WantedBackend } from '../plan/types.ts';
import type { BackendTable } from './backend-table.ts';
import { SlotAllocator } from './slot-allocator.ts';
import type { Member, TableShape } from './slot-run.ts';
import { decodeRun, encodeRun, Met, runLength } from './slot-run.ts';

export interface Table {
  /** Shape, and the backends' ids in the order of their sorted keys, with weights: identity, and at the same time the only
   * list of them. */
  readonly content: string;
  readonly first: number;
  /** Slots that the set's word counts. */
  readonly count: number;
  /** All that it takes. */
  readonly length: number;
  readonly withMembers: boolean;
  /** A Maglev table whose weights cannot be read back. */
  readonly isWeighted: boolean;
  uses: number;
  /** Since the last use ended; undefined before. */
  retired: RetiredTable | undefined;
}

/** What a set needs its table for. */
export interface TableUse {
  readonly algorithm: Algorithm;
  readonly withMembers: boolean;
}

/** A table in the maps, as the word of a set tells. */
export interface PresentRun extends TableShape {
  readonly first: number;
  readonly count: number;
  readonly isWeighted: boolean;
}

/** A new one each time that a table's last use ends: a grace period that began before says nothing about it. */
export interface RetiredTable {
  readonly table: Table;
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
  acquire(backends: readonly WantedBackend[], protocol: Protocol, { algorithm, withMembers }: TableUse): Table {
    const shape = { layout: slotLayout(algorithm), withMembers };
    const weights = backends.map(({ weight }) => (usesWeights(algorithm) ? weight : 1));
    const known = this.#find(shape, backends, weights);
    if (known !== undefined) {
      this.#refreshLocality(backends, protocol);
      known.uses++;
      return known;
    }
    const ids: number[] = [];
    try {
      for (const backend of backends) ids.push(this.#backends.acquire(backend, protocol));
      const members = backends.map(({ key }, i): Member => ({ key, id: ids[i] ?? 0, weight: weights[i] ?? 1 }));
      return this.#add(shape, members);
    } catch (error) {
      for (const id of ids) this.#backends.release(id);
      throw error;
    }
  }

  #add(shape: TableShape, members: readonly Member[]): Table {
    const { slots, count } = encodeRun(shape, members, this.#cap);
    const first = this.#slots.allocate(slots.length);
    try {
      this.#maps.slots(first, slots.length).set(slots);
    } catch (error) {
      this.#slots.free(first, slots.length);
      throw error;
    }
    const content = toContent(shape, members);
    const isWeighted = shape.layout === 'maglev' && members.some(({ weight }) => weight !== 1);
    const { withMembers } = shape;
    const table: Table = {
      ...{ content, first, count, length: slots.length, withMembers, isWeighted },
      ...{ uses: 1, retired: undefined },
    };
    this.#present.add(table);
    this.#byContent.set(content, table);
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
    this.#slots.free(table.first, table.length);
    for (const id of idsOf(table)) this.#backends.release(id);
  }

  /** Takes over the tables that present words point at. One that is damaged holds its slots until no word does. */
  restore(runs: Iterable<PresentRun>): Map<number, Table> {
    const byFirst = new Map<number, Table>();
    const met = new Met(this.#maps.capacity.backends);
    // By place, so that each window is mapped once.
    for (const run of [...runs].sort((a, b) => a.first - b.first)) {
      if (byFirst.has(run.first)) continue;
      const { members, sound } = this.#read(run, met);
      const { first, count, withMembers, isWeighted } = run;
      const content = toContent(run, members);
      const length = runLength(count, withMembers ? members.length : undefined);
      const table: Table = { content, first, count, length, withMembers, isWeighted, uses: 0, retired: undefined };
      byFirst.set(first, table);
      this.#present.add(table);
      if (sound && !isWeighted && !this.#byContent.has(content) && this.#isOfTodaysSize(run, members)) {
        this.#byContent.set(content, table);
      }
    }
    this.#slots.restore(this.#maps.slotSegments(), byFirst.values());
    return byFirst;
  }

  #isOfTodaysSize({ layout, count }: PresentRun, members: readonly Member[]): boolean {
    return layout !== 'maglev' || count === tableSize(members.length, this.#cap);
  }

  /** Backends that a table's slots name, by key; not sound: a slot names none, or one that has left. */
  #read({ layout, first, count }: PresentRun, met: Met): { members: Member[]; sound: boolean } {
    const slots = this.#maps.slots(first, count);
    const members: Member[] = [];
    let sound = slots.length === count;
    for (const [id, weight] of decodeRun(layout, slots, met)) {
      const key = this.#backends.key(id);
      if (key !== undefined && this.#backends.use(id)) members.push({ id, key, weight });
      else sound = false;
    }
    members.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { members, sound };
  }

  #find(shape: TableShape, backends: readonly WantedBackend[], weights: readonly number[]): Table | undefined {
    const members: Member[] = [];
    for (const [i, { key }] of backends.entries()) {
      const id = this.#backends.find(key);
      if (id === undefined) return undefined;
      members.push({ id, key, weight: weights[i] ?? 1 });
    }
    return this.#byContent.get(toContent(shape, members));
  }

  #refreshLocality(backends: readonly WantedBackend[], protocol: Protocol): void {
    for (const backend of backends) this.#backends.release(this.#backends.acquire(backend, protocol));
  }
}

const LAYOUT_MARK = { maglev: '', turns: 'turns ', pairs: 'pairs ' } as const;

/** Weights in lowest terms: that is all that turns tell of them. */
function toContent({ layout, withMembers }: TableShape, members: readonly Member[]): string {
  const common = members.reduce((divisor, { weight }) => greatestCommonDivisor(divisor, weight), 0);
  const list = members.map(({ id, weight }) => (weight === common ? String(id) : `${id}*${weight / common}`)).join(' ');
  return `${LAYOUT_MARK[layout]}${withMembers ? 'members ' : ''}${list}`;
}

/** The backends of a table. */
export function membersOf({ content }: Table): Pick<Member, 'id' | 'weight'>[] {
  return content
    .split(' ')
    .filter((word) => /^\d/.test(word))
    .map((word) => {
      const [id, weight = '1'] = word.split('*');
      return { id: Number(id), weight: Number(weight) };
    });
}

function idsOf(table: Table): number[] {
  return membersOf(table).map(({ id }) => id);
}
