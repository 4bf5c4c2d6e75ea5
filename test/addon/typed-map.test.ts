// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Codec } from '../../src/abi/codec.ts';
import { u32Codec, u64Codec } from '../../src/abi/codec.ts';
import { addon } from '../../src/kernel/addon.ts';
import { MAP_TYPE, UPDATE_FLAG } from '../../src/kernel/constants.ts';
import { TypedMap } from '../../src/kernel/map.ts';
import type { MapSpec } from '../../src/kernel/native-types.ts';
import { kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';

const MANY = 3000;
/** A type of map without batches. Its values are numbers of interfaces that exist. */
const DEVMAP_HASH = 25;
const NO_INTERFACE = 0x7fffffff;

function makeTyped(spec: Partial<MapSpec> = {}): TypedMap<number, bigint> {
  return new TypedMap(makeMap({ maxEntries: MANY, ...spec }), u32Codec, u64Codec);
}

const rows = (count: number): [number, bigint][] => Array.from({ length: count }, (_, i) => [i, BigInt(i) << 32n]);
const sorted = (map: TypedMap<number, bigint>): unknown[] => [...map.entries()].sort(([a], [b]) => a - b);

describe('one row', () => {
  it('is set, read and deleted as values', () => {
    const map = makeTyped();
    expect(map.get(1)).toBeUndefined();
    map.set(1, 10n);
    expect(map.get(1)).toBe(10n);
    expect(map.native.lookup(u32(1))).toEqual(u64(10));
    expect(
      kernelErrorOf(() => {
        map.set(1, 11n, UPDATE_FLAG.NOEXIST);
      }).code,
    ).toBe('EEXIST');
    expect(map.delete(1)).toBe(true);
    expect(map.delete(1)).toBe(false);
  });

  it('that the codec refuses changes nothing', () => {
    const map = makeTyped();
    map.set(1, 10n);
    expect(() => {
      map.set(1, -1n);
    }).toThrow(RangeError);
    expect(map.get(1)).toBe(10n);
  });
});

describe('many rows', () => {
  it('are set, walked and deleted, beyond the size of one batch', () => {
    const map = makeTyped();
    map.setMany(rows(MANY));
    expect(sorted(map)).toEqual(rows(MANY));
    expect(map.deleteMany([...Array(MANY - 1).keys(), MANY + 5])).toBe(MANY - 1);
    expect([...map.entries()]).toEqual(rows(MANY).slice(-1));
  });

  it('may be none', () => {
    const map = makeTyped();
    map.setMany([]);
    expect(map.deleteMany([])).toBe(0);
    expect([...map.entries()]).toEqual([]);
  });

  it('are set, walked and deleted also in a map that knows no batches', () => {
    const LOOPBACK = 1;
    const map = new TypedMap(makeMap({ type: DEVMAP_HASH, valueSize: 4 }), u32Codec, u32Codec);
    map.setMany([5, 6, 7].map((key) => [key, LOOPBACK]));
    expect([...map.entries()].sort()).toEqual([
      [5, LOOPBACK],
      [6, LOOPBACK],
      [7, LOOPBACK],
    ]);
    expect(map.deleteMany([7, 8, 5])).toBe(2);
    expect([...map.entries()]).toEqual([[6, LOOPBACK]]);
  });

  it('are reported without batches as with them when one fails', () => {
    const map = new TypedMap(makeMap({ type: DEVMAP_HASH, valueSize: 4 }), u32Codec, u32Codec);
    const error = kernelErrorOf(() => {
      map.setMany([
        [5, 1],
        [6, NO_INTERFACE],
        [7, 1],
      ]);
    });
    expect(error).toMatchObject({ op: 'map.update', object: 'numbers', applied: 1 });
    expect([...map.entries()]).toEqual([[5, 1]]);
  });

  it('that do not fit are reported with how many of the batch are in force', () => {
    const map = makeTyped({ maxEntries: 1500 });
    expect(
      kernelErrorOf(() => {
        map.setMany(rows(MANY));
      }),
    ).toMatchObject({ code: 'E2BIG', applied: 1500 - 1024 });
    expect(sorted(map)).toEqual(rows(1500));
  });
});

describe('a per-CPU map', () => {
  it('gives a value for each possible CPU, and only that', () => {
    const native = makeMap({ type: MAP_TYPE.PERCPU_ARRAY, valueSize: 4 });
    const cpus = Array.from({ length: addon.possibleCpus() }, (_, cpu) => cpu + 1);
    native.update(u32(3), u64(...cpus));
    const map = new TypedMap(native, u32Codec, u32Codec);
    expect(map.getPerCpu(3)).toEqual(cpus);
    expect(map.getPerCpu(1000)).toEqual([]);
    expect(() => map.get(3)).toThrow('use getPerCpu');
    expect(() => [...map.entries()]).toThrow('use getPerCpu');
  });
});

describe('TypedMap', () => {
  it.each<[string, Codec<number | bigint>, Codec<number | bigint>]>([
    ['key', u64Codec, u64Codec],
    ['value', u32Codec, u32Codec],
  ])('refuses codecs whose %s has another size than the map', (_, key, value) => {
    const native = makeMap();
    expect(() => new TypedMap(native, key, value)).toThrow(
      `map numbers has keys of 4 and values of 8 bytes, its codecs have ${key.size} and ${value.size}`,
    );
  });

  it('closes the map it owns', () => {
    const map = makeTyped();
    map.close();
    expect(kernelErrorOf(() => map.get(1)).code).toBe('ECLOSED');
    onTestFinished(() => {
      map.close();
    });
  });
});
