// SPDX-License-Identifier: Apache-2.0
// Maglev tables as shares.

import { describe, expect, it } from 'vitest';
import { SlotGeometry } from '../../../src/abi/enums.gen.ts';
import { SetMode } from '../../../src/abi/enums.gen.ts';
import { packSet } from '../../../src/abi/set-word.ts';
import { SetReader } from '../../../src/observe/sets.ts';
import { setReader, SLOTS } from './made-up.ts';

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;

describe('SetReader', () => {
  it('counts the slots of each backend in a table', () => {
    expect(setReader().read(2)).toEqual({
      id: 2,
      mode: 'hash',
      span: {
        first: 0,
        slots: 10,
        segment: 0,
        shares: [
          { backend: 1, slots: 6 },
          { backend: 2, slots: 4 },
        ],
      },
    });
  });

  it('reads no slots of a set that refuses or stays silent', () => {
    expect(setReader().read(5)).toEqual({ id: 5, mode: 'drop', span: undefined });
    expect(setReader().read(6)).toEqual({ id: 6, mode: 'reject', span: undefined });
  });

  it('finds a table in a later segment', () => {
    const read: number[] = [];
    const reader = new SetReader({
      readSet: () => packSet({ mode: SetMode.Hash, first: 2 * SEGMENT_SLOTS + 16, count: 5 }),
      slotSegments: () => 3,
      slots: (first, count) => {
        read.push(first);
        return SLOTS.subarray(16, 16 + count);
      },
    });
    expect(reader.read(0).span).toMatchObject({ segment: 2, shares: [{ backend: 3, slots: 5 }] });
    reader.read(1);
    expect(read).toEqual([2 * SEGMENT_SLOTS + 16]);
  });

  it('does not ask for a segment that is not there, which would make it', () => {
    const reader = new SetReader({
      readSet: () => packSet({ mode: SetMode.Hash, first: SEGMENT_SLOTS, count: 5 }),
      slotSegments: () => 1,
      slots: () => {
        throw new Error('asked');
      },
    });
    expect(reader.read(0).span).toMatchObject({ slots: 5, shares: [] });
  });

  it('reads again where a set of another size begins at the same slot', () => {
    let count = 10;
    const reader = new SetReader({
      readSet: () => packSet({ mode: SetMode.Hash, first: 0, count }),
      slotSegments: () => 1,
      slots: (first, size) => SLOTS.subarray(first, first + size),
    });
    expect(reader.read(0).span?.shares).toHaveLength(2);
    count = 6;
    expect(reader.read(0).span?.shares).toEqual([{ backend: 1, slots: 6 }]);
  });
});
