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

  it('reads many tables in the order in which they lie, each once', () => {
    const read: number[] = [];
    const firsts = [4096, 0, 2048, 0, 1024];
    const reader = new SetReader({
      readSet: (set) => packSet({ mode: SetMode.Hash, first: firsts[set] ?? 0, count: 5 }),
      slotSegments: () => 1,
      slots: (first, count) => {
        read.push(first);
        return SLOTS.subarray(0, count);
      },
    });
    reader.prepare(firsts.keys());
    for (const set of firsts.keys()) reader.read(set);
    expect(read).toEqual([0, 1024, 2048, 4096]);
  });

  it('tells where a set points without a look at slots', () => {
    const reader = new SetReader({
      readSet: (set) => packSet({ mode: set === 0 ? SetMode.Hash : SetMode.Drop, first: 16, count: 5 }),
      slotSegments: () => 1,
      slots: () => {
        throw new Error('looked');
      },
    });
    expect(reader.place(0)).toEqual({ mode: 'hash', first: 16, slots: 5 });
    expect(reader.place(1)).toMatchObject({ mode: 'drop', slots: 0 });
  });

  it('counts any number in a slot, of damaged ones, too, and begins anew with each table', () => {
    const tables = [
      [5000, 5000, 0xffff_ffff, 1],
      [1, 5000, 5000, 5000, 0xffff_ffff],
    ];
    const reader = new SetReader({
      readSet: (set) => packSet({ mode: SetMode.Hash, first: set, count: tables[set]?.length ?? 0 }),
      slotSegments: () => 1,
      slots: (first) => Uint32Array.from(tables[first] ?? []),
    });
    const shares = (set: number) => reader.read(set).span?.shares.map(({ backend, slots }) => [backend, slots]);
    expect(shares(0)).toEqual([
      [1, 1],
      [5000, 2],
      [0xffff_ffff, 1],
    ]);
    expect(shares(1)).toEqual([
      [1, 1],
      [5000, 3],
      [0xffff_ffff, 1],
    ]);
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
