// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { MAP_TYPE } from '../../src/kernel/constants.ts';
import type { NativeMap } from '../../src/kernel/native-types.ts';
import { asU32, asU64, kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

function readAll(map: NativeMap, count: number): Map<number, bigint> {
  const rows = new Map<number, bigint>();
  let cursor: Uint8Array | undefined;
  do {
    const batch = map.lookupBatch(cursor, count);
    const values = asU64(batch.values);
    asU32(batch.keys).forEach((key, i) => {
      if (rows.has(key)) throw new Error(`${key} came twice`);
      rows.set(key, values[i] ?? -1n);
    });
    cursor = batch.cursor;
  } while (cursor !== undefined);
  return rows;
}

describe('a batch', () => {
  it.each([1, 7, 1000, 5000])('reads every entry once, %i at a time', (count) => {
    const map = makeMap();
    const keys = range(1000, 5);
    map.updateBatch(u32(...keys), u64(...keys), keys.length);
    const rows = readAll(map, count);
    expect(rows.size).toBe(1000);
    expect(keys.every((key) => rows.get(key) === BigInt(key))).toBe(true);
  });

  it('of an array ends after the last entry', () => {
    const map = makeMap({ type: MAP_TYPE.ARRAY, maxEntries: 10 });
    map.updateBatch(u32(...range(10)), u64(...range(10)), 10);
    expect([...readAll(map, 5).keys()]).toEqual(range(10));
  });

  it('of an empty map has no entry and no cursor', () => {
    expect(makeMap().lookupBatch(undefined, 10)).toEqual({
      keys: new Uint8Array(0),
      values: new Uint8Array(0),
      count: 0,
      cursor: undefined,
    });
  });

  it('that fails halfway says how many entries are in force', () => {
    const map = makeMap({ maxEntries: 4 });
    const error = kernelErrorOf(() => {
      map.updateBatch(u32(...range(10)), u64(...range(10)), 10);
    });
    expect(error).toMatchObject({ code: 'E2BIG', op: 'map.updateBatch', object: 'numbers', applied: 4 });
    expect(error.message).toBe('cannot write a batch to map numbers: it is full with 4 entries (E2BIG)');
    expect([...readAll(map, 10).keys()].sort()).toEqual([0, 1, 2, 3]);
  });

  it('that fails before it begins says that none is', () => {
    const map = makeMap();
    map.freeze();
    const error = kernelErrorOf(() => {
      map.updateBatch(u32(1, 2), u64(1, 2), 2);
    });
    expect(error).toMatchObject({ code: 'EPERM', applied: 0 });
  });

  it('deletes what is there and counts it', () => {
    const map = makeMap();
    map.updateBatch(u32(...range(10)), u64(...range(10)), 10);
    expect(map.deleteBatch(u32(100, 1, 2, 101, 102, 9, 103), 7)).toBe(3);
    expect([...readAll(map, 10).keys()].sort()).toEqual([0, 3, 4, 5, 6, 7, 8]);
  });

  it('that cannot delete says how many are gone', () => {
    const array = makeMap({ type: MAP_TYPE.ARRAY });
    expect(kernelErrorOf(() => array.deleteBatch(u32(1), 1))).toMatchObject({ op: 'map.deleteBatch', applied: 0 });
  });

  it('that the type of map lacks is told by code', () => {
    const map = makeMap({ type: 25 /* DEVMAP_HASH */, valueSize: 4 });
    expect(kernelErrorOf(() => map.lookupBatch(undefined, 1))).toMatchObject({ code: 'ENOTSUPP', errno: 524 });
  });
});
