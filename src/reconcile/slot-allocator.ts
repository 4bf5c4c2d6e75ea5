// SPDX-License-Identifier: Apache-2.0
// Where tables lie: a buddy allocator over segments of slots. A table begins at a block and never crosses a segment.
// Numbers only; it touches no map.

import { SlotGeometry } from '../abi/enums.gen.ts';
import { Exhausted } from './exhausted.ts';

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;
/** log2 of the slots in a segment. */
const TOP = 31 - Math.clz32(SEGMENT_SLOTS);
/** log2 of the slots in a block: the smallest run. */
const BOTTOM = 31 - Math.clz32(SlotGeometry.SlotsPerBlock);

export class SlotAllocator {
  /** Starts of free runs, by log2 of their length. */
  readonly #free: Set<number>[] = Array.from({ length: TOP + 1 }, () => new Set<number>());
  readonly #maxSegments: number;
  #segments = 0;

  constructor(maxSegments: number) {
    this.#maxSegments = maxSegments;
  }

  get segments(): number {
    return this.#segments;
  }

  /** The first slot of a run of at least count slots. */
  allocate(count: number): number {
    const order = orderOf(count);
    let from = order;
    while (from <= TOP && this.#freeOf(from).size === 0) from++;
    if (from > TOP) {
      if (this.#segments >= this.#maxSegments) {
        throw new Exhausted(
          `no ${String(count)} contiguous slots are free in ${String(this.#segments)} segments; allow more slot segments`,
        );
      }
      this.#freeOf(TOP).add(this.#segments++ * SEGMENT_SLOTS);
      from = TOP;
    }
    const [first] = this.#freeOf(from);
    if (first === undefined) throw new Error('a non-empty set has a first element');
    this.#freeOf(from).delete(first);
    while (from > order) this.#freeOf(--from).add(first + 2 ** from);
    return first;
  }

  free(first: number, count: number): void {
    let order = orderOf(count);
    let start = first;
    while (order < TOP) {
      const buddy = start ^ (2 ** order);
      if (!this.#freeOf(order).delete(buddy)) break;
      start = Math.min(start, buddy);
      order++;
    }
    this.#freeOf(order).add(start);
  }

  /** Rebuilds the state from the runs that present tables occupy. */
  restore(segments: number, used: Iterable<{ readonly first: number; readonly length: number }>): void {
    for (const set of this.#free) set.clear();
    this.#segments = segments;
    for (let segment = 0; segment < segments; segment++) this.#freeOf(TOP).add(segment * SEGMENT_SLOTS);
    for (const { first, length } of used) this.#carve(first, orderOf(length));
  }

  #carve(first: number, order: number): void {
    for (let from = order; from <= TOP; from++) {
      const start = first - (first % 2 ** from);
      if (!this.#freeOf(from).delete(start)) continue;
      for (let half = from - 1, at = start; half >= order; half--) {
        const upper = at + 2 ** half;
        const inUpper = first >= upper;
        this.#freeOf(half).add(inUpper ? at : upper);
        if (inUpper) at = upper;
      }
      return;
    }
    throw new Error(
      `two tables lie over each other at slot ${String(first)}: the maps are damaged; remove them with \`bpfsvc cleanup\``,
    );
  }

  #freeOf(order: number): Set<number> {
    const set = this.#free[order];
    if (set === undefined) throw new RangeError(`no run has 2^${String(order)} slots`);
    return set;
  }
}

function orderOf(count: number): number {
  if (count < 1 || count > SEGMENT_SLOTS)
    throw new RangeError(`a table of ${String(count)} slots does not fit a segment`);
  return Math.max(BOTTOM, 32 - Math.clz32(count - 1));
}
