// SPDX-License-Identifier: Apache-2.0
// Segments of slots: maps of their own inside the map `slots`, pinned beside the others so that nobody needs to look one
// up by id. A few are mapped at a time: mapped pages count as the agent's memory.

import { SlotGeometry } from '../abi/enums.gen.ts';
import { MAP_FLAG, MAP_TYPE } from '../kernel/constants.ts';
import { addon } from '../kernel/addon.ts';
import type { NativeMap } from '../kernel/native-types.ts';

const BLOCK_BYTES = SlotGeometry.SlotsPerBlock * Uint32Array.BYTES_PER_ELEMENT;
const SEGMENT_BYTES = SlotGeometry.BlocksPerSegment * BLOCK_BYTES;
const MAPPED_AT_ONCE = 2;

/** The BPF file system allows no dot in a name. */
export function segmentPinName(index: number): string {
  return `slots-${String(index)}`;
}

export class SlotSegments {
  readonly #outer: NativeMap;
  readonly #pin: (index: number) => string;
  readonly #segments: NativeMap[] = [];
  /** Most recently used last. */
  readonly #mapped = new Map<number, Uint32Array>();

  /** pin: the path under which a segment is pinned. */
  constructor(outer: NativeMap, pin: (index: number) => string, present: number) {
    this.#outer = outer;
    this.#pin = pin;
    for (let index = 0; index < present; index++) this.#segments.push(addon.openPinnedMap(pin(index)));
  }

  get count(): number {
    return this.#segments.length;
  }

  /** The segment's slots as shared memory; valid until the next call. */
  get(index: number): Uint32Array {
    const mapped = this.#mapped.get(index) ?? this.#map(index);
    this.#mapped.delete(index);
    this.#mapped.set(index, mapped);
    return mapped;
  }

  close(): void {
    for (const index of [...this.#mapped.keys()]) this.#unmap(index);
    for (const segment of this.#segments) segment.close();
    this.#segments.length = 0;
  }

  #map(index: number): Uint32Array {
    while (this.#segments.length <= index) this.#add();
    for (const oldest of this.#mapped.keys()) {
      if (this.#mapped.size < MAPPED_AT_ONCE) break;
      this.#unmap(oldest);
    }
    const segment = this.#segments[index];
    if (segment === undefined) throw new Error(`slot segment ${String(index)} is missing`);
    return new Uint32Array(segment.mmap(0, SEGMENT_BYTES));
  }

  #unmap(index: number): void {
    const slots = this.#mapped.get(index);
    this.#mapped.delete(index);
    if (slots !== undefined) this.#segments[index]?.munmap(slots.buffer as ArrayBuffer);
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
