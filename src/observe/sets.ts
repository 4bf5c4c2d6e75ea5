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

  constructor(maps: SlotMaps) {
    this.#maps = maps;
  }

  read(set: number): SetView {
    const { mode, first, count } = unpackSet(this.#maps.readSet(set));
    return {
      id: set,
      mode: SET_MODE_NAMES[mode] ?? String(mode),
      span: mode === SetMode.Hash && count > 0 ? this.#span(first, count) : undefined,
    };
  }

  #span(first: number, slots: number): Span {
    let span = this.#spans.get(first);
    // A set may have moved on between two looks at the same place.
    if (span?.slots !== slots) this.#spans.set(first, (span = this.#readSpan(first, slots)));
    return span;
  }

  #readSpan(first: number, slots: number): Span {
    const segment = Math.floor(first / SEGMENT_SLOTS);
    const counts = new Map<number, number>();
    if (segment < this.#maps.slotSegments()) {
      for (const backend of this.#maps.slots(first, slots)) counts.set(backend, (counts.get(backend) ?? 0) + 1);
    }
    const shares = [...counts].map(([backend, count]) => ({ backend, slots: count }));
    return { first, slots, segment, shares: shares.sort((a, b) => a.backend - b.backend) };
  }
}
