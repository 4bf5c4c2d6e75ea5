// SPDX-License-Identifier: Apache-2.0
// Sets and the Maglev tables they point at, as shares of backends instead of a thousand slots. Pure.

import { SET_MODE_NAMES, SetMode, SlotGeometry } from '../abi/enums.gen.ts';
import { unpackSet } from '../abi/set-word.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';

export interface Share {
  readonly backend: number;
  readonly slots: number;
}

/** A run of slots; sets with the same backends point at the same one. */
export interface Span {
  readonly first: number;
  readonly slots: number;
  readonly segment: number;
  /** By backend id. */
  readonly shares: readonly Share[];
}

export interface SetView {
  readonly id: number;
  /** Name of enum set_mode. */
  readonly mode: string;
  /** Only where slots are read. */
  readonly span: Span | undefined;
}

type SlotMaps = Pick<LbMaps, 'readSet' | 'slots' | 'slotSegments'>;

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;

/** Reads each span once, however many sets point at it. */
export class SetReader {
  readonly #maps: SlotMaps;
  readonly #spans = new Map<number, Span>();
  readonly #tally = new Tally();

  constructor(maps: SlotMaps) {
    this.#maps = maps;
  }

  read(set: number): SetView {
    const { mode, first, slots } = this.place(set);
    return { id: set, mode, span: slots > 0 ? this.#span(first, slots) : undefined };
  }

  /** What a set's word says, without a look at slots. */
  place(set: number): { readonly mode: string; readonly first: number; readonly slots: number } {
    const { mode, first, count } = unpackSet(this.#maps.readSet(set));
    return { mode: modeName(mode), first, slots: mode === SetMode.Hash ? count : 0 };
  }

  /** Reads the tables of many sets in the order in which they lie: to read slots far from the last ones costs a mapping. */
  prepare(sets: Iterable<number>): void {
    const places = Array.from(sets, (set) => this.place(set)).filter(({ slots }) => slots > 0);
    for (const { first, slots } of places.sort((a, b) => a.first - b.first)) this.#span(first, slots);
  }

  #span(first: number, slots: number): Span {
    let span = this.#spans.get(first);
    // A set may have moved on between two looks at the same place.
    if (span?.slots !== slots) this.#spans.set(first, (span = this.#readSpan(first, slots)));
    return span;
  }

  #readSpan(first: number, slots: number): Span {
    const segment = Math.floor(first / SEGMENT_SLOTS);
    const exists = segment < this.#maps.slotSegments();
    const shares = exists ? this.#tally.shares(this.#maps.slots(first, slots)) : [];
    return { first, slots, segment, shares: shares.sort((a, b) => a.backend - b.backend) };
  }
}

// --- internal ---

function modeName(mode: SetMode): string {
  return SET_MODE_NAMES[mode] ?? String(mode);
}

/** More backends than any map has; slots that name others are damaged, and are counted nevertheless. */
const USUAL_BACKENDS = 2 ** 22;

/** Counts millions of slots in arrays that it keeps: a Map of its own for each table takes ten times as long. */
class Tally {
  #counts = new Uint32Array(1024);
  readonly #seen: number[] = [];
  readonly #unusual = new Map<number, number>();

  shares(slots: Uint32Array): Share[] {
    for (const backend of slots) {
      if (backend >= this.#counts.length && !this.#grow(backend)) {
        this.#unusual.set(backend, (this.#unusual.get(backend) ?? 0) + 1);
        continue;
      }
      const count = this.#counts[backend] ?? 0;
      if (count === 0) this.#seen.push(backend);
      this.#counts[backend] = count + 1;
    }
    const shares = this.#seen.map((backend) => ({ backend, slots: this.#counts[backend] ?? 0 }));
    for (const backend of this.#seen) this.#counts[backend] = 0;
    for (const [backend, count] of this.#unusual) shares.push({ backend, slots: count });
    this.#seen.length = 0;
    this.#unusual.clear();
    return shares;
  }

  #grow(backend: number): boolean {
    if (backend >= USUAL_BACKENDS) return false;
    const counts = new Uint32Array(2 ** (32 - Math.clz32(backend)));
    counts.set(this.#counts);
    this.#counts = counts;
    return true;
  }
}
