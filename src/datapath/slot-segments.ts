// SPDX-License-Identifier: Apache-2.0
// Segments of slots: maps of their own inside the map `slots`, pinned beside the others so that nobody needs to look one
// up by id. A window of them is mapped at a time: mapped pages count as the agent's memory.

import { SlotGeometry } from '../abi/enums.gen.ts';
import { MAP_FLAG, MAP_TYPE } from '../kernel/constants.ts';
import { addon } from '../kernel/addon.ts';
import type { NativeMap } from '../kernel/native-types.ts';

const SLOT_BYTES = Uint32Array.BYTES_PER_ELEMENT;
const BLOCK_BYTES = SlotGeometry.SlotsPerBlock * SLOT_BYTES;
const SEGMENT_SLOTS = SlotGeometry.BlocksPerSegment * SlotGeometry.SlotsPerBlock;
/** Whole pages of any size, and some hundred tables of usual size. A segment is a multiple of it. */
const WINDOW_SLOTS = 2 ** 16;

/** The BPF file system allows no dot in a name. */
export function segmentPinName(index: number): string {
  return `slots-${String(index)}`;
}

interface Window {
  readonly segment: NativeMap;
  readonly first: number;
  readonly slots: Uint32Array<ArrayBuffer>;
}

export class SlotSegments {
  readonly #outer: NativeMap;
  readonly #pin: (index: number) => string;
  readonly #segments: NativeMap[] = [];
  #window: Window | undefined;

  /** pin: the path under which a segment is pinned. */
  constructor(outer: NativeMap, pin: (index: number) => string, present: number) {
    this.#outer = outer;
    this.#pin = pin;
    for (let index = 0; index < present; index++) this.#segments.push(addon.openPinnedMap(pin(index)));
  }

  get count(): number {
    return this.#segments.length;
  }

  /** As shared memory, to the end of the segment at most; valid until the next call. */
  slots(first: number, count: number): Uint32Array {
    const segment = Math.floor(first / SEGMENT_SLOTS);
    while (this.#segments.length <= segment) this.#add();
    const end = Math.min(first + count, (segment + 1) * SEGMENT_SLOTS);
    let window = this.#window;
    if (window === undefined || first < window.first || end > window.first + window.slots.length)
      window = this.#map(segment, first, end);
    return window.slots.subarray(first - window.first, end - window.first);
  }

  close(): void {
    this.#unmap();
    for (const segment of this.#segments) segment.close();
    this.#segments.length = 0;
  }

  #map(index: number, first: number, end: number): Window {
    this.#unmap();
    const segment = this.#segments[index];
    if (segment === undefined) throw new Error(`slot segment ${String(index)} is missing`);
    const start = first - (first % WINDOW_SLOTS);
    const count = Math.ceil((end - start) / WINDOW_SLOTS) * WINDOW_SLOTS;
    const memory = segment.mmap((start % SEGMENT_SLOTS) * SLOT_BYTES, count * SLOT_BYTES);
    this.#window = { segment, first: start, slots: new Uint32Array(memory) };
    return this.#window;
  }

  #unmap(): void {
    const window = this.#window;
    this.#window = undefined;
    window?.segment.munmap(window.slots.buffer);
  }

  #add(): void {
    const index = this.#segments.length;
    const segment = addon.createMap({
      type: MAP_TYPE.ARRAY,
      name: 'slot_segment',
      keySize: Uint32Array.BYTES_PER_ELEMENT,
      valueSize: BLOCK_BYTES,
      maxEntries: SlotGeometry.BlocksPerSegment,
      flags: MAP_FLAG.MMAPABLE,
    });
    const key = new Uint8Array(Uint32Array.of(index).buffer);
    try {
      // Pinned first: a segment that programs use and no agent finds again would be lost.
      segment.pin(this.#pin(index));
      this.#outer.setInner(key, segment);
    } catch (error) {
      segment.close();
      throw error;
    }
    this.#segments.push(segment);
  }
}
