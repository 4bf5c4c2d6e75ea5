// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { MAP_FLAG, MAP_TYPE, UPDATE_FLAG } from '../../src/kernel/constants.ts';
import type { MapSpec, NativeMap } from '../../src/kernel/native-types.ts';
import { asU32, asU64, kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';

describe('createMap', () => {
  it('makes a map that says what it was made as', () => {
    const map = makeMap({ flags: MAP_FLAG.NO_PREALLOC });
    expect(map.info()).toEqual({
      id: expect.any(Number) as number,
      name: 'numbers',
      type: MAP_TYPE.HASH,
      keySize: 4,
      valueSize: 8,
      maxEntries: 1000,
      flags: MAP_FLAG.NO_PREALLOC,
      memlock: expect.any(Number) as number,
    });
    expect(map.info().memlock).toBeGreaterThan(0);
  });

  it.each<[string, Partial<Record<keyof MapSpec, unknown>>, string]>([
    ['a name that the kernel would cut', { name: 'sixteen_letters_' }, 'name is longer than 15 bytes'],
    ['a name with a zero byte', { name: 'a\0b' }, 'name contains a zero byte'],
    ['a size that is no number', { keySize: '4' }, 'keySize is not a number'],
    ['a size below zero', { valueSize: -1 }, 'valueSize is not an integer from 0 to 4294967295'],
    ['a size that 32 bits would cut', { maxEntries: 2 ** 32 + 1 }, 'maxEntries is not an integer'],
    ['an inner map that is none', { innerMap: {} }, 'innerMap is not a map'],
    ['an inner map by its looks', { innerMap: Object.create(null) }, 'innerMap is not a map'],
  ])('refuses %s', (_, spec, reason) => {
    expect(kernelErrorOf(() => makeMap(spec as Partial<MapSpec>))).toMatchObject({
      code: 'EINVAL',
      errno: 22,
      op: 'map.create',
      message: expect.stringContaining(reason) as string,
    });
  });

  it("reports the kernel's refusal with the map's name", () => {
    const error = kernelErrorOf(() => makeMap({ type: MAP_TYPE.ARRAY, keySize: 8 }));
    expect(error).toMatchObject({ code: 'EINVAL', errno: 22, op: 'map.create', object: 'numbers' });
    expect(error.message).toBe('cannot create map numbers: Invalid argument (EINVAL)');
  });
});

describe('one entry', () => {
  it('is written, found, walked to and deleted', () => {
    const map = makeMap();
    expect(map.lookup(u32(1))).toBeUndefined();
    expect(map.nextKey(undefined)).toBeUndefined();
    map.update(u32(1), u64(10));
    expect(asU64(map.lookup(u32(1)))).toEqual([10n]);
    expect(asU32(map.nextKey(undefined))).toEqual([1]);
    expect(map.nextKey(u32(1))).toBeUndefined();
    expect(map.delete(u32(1))).toBe(true);
    expect(map.delete(u32(1))).toBe(false);
    expect(map.lookup(u32(1))).toBeUndefined();
  });

  it('heeds the flags: no new entry over an old one, no change of what is not there', () => {
    const map = makeMap();
    expect(
      kernelErrorOf(() => {
        map.update(u32(1), u64(1), UPDATE_FLAG.EXIST);
      }).code,
    ).toBe('ENOENT');
    map.update(u32(1), u64(1), UPDATE_FLAG.NOEXIST);
    expect(
      kernelErrorOf(() => {
        map.update(u32(1), u64(2), UPDATE_FLAG.NOEXIST);
      }),
    ).toMatchObject({
      code: 'EEXIST',
      errno: 17,
      op: 'map.update',
      object: 'numbers',
      message: 'cannot update map numbers: File exists (EEXIST)',
    });
    map.update(u32(1), u64(3), UPDATE_FLAG.EXIST);
    expect(asU64(map.lookup(u32(1)))).toEqual([3n]);
  });

  it('is taken from the middle of a larger buffer', () => {
    const map = makeMap();
    const bytes = new Uint8Array([9, 9, 9, 9, ...u32(7), ...u64(70), 9]);
    map.update(bytes.subarray(4, 8), bytes.subarray(8, 16));
    expect(asU64(map.lookup(u32(7)))).toEqual([70n]);
  });

  it('that does not fit is refused with the size of the map', () => {
    const map = makeMap({ maxEntries: 1 });
    map.update(u32(1), u64(1));
    expect(
      kernelErrorOf(() => {
        map.update(u32(2), u64(1));
      }).message,
    ).toBe('cannot update map numbers: it is full with 1 entries (E2BIG)');
    const array = makeMap({ type: MAP_TYPE.ARRAY, name: 'array', maxEntries: 3 });
    expect(
      kernelErrorOf(() => {
        array.update(u32(3), u64(1));
      }).message,
    ).toBe('cannot update map array: the index is not below 3 (E2BIG)');
  });

  it('of an array cannot be deleted', () => {
    const array = makeMap({ type: MAP_TYPE.ARRAY });
    expect(kernelErrorOf(() => array.delete(u32(0)))).toMatchObject({ code: 'EINVAL', op: 'map.delete' });
  });
});

describe('a per-CPU map', () => {
  const cpus = addon.possibleCpus();

  it('has a value for each possible CPU, rounded up to 8 bytes', () => {
    const map = makeMap({ type: MAP_TYPE.PERCPU_HASH, valueSize: 12 });
    const values = new Uint8Array(16 * cpus).map((_, i) => (i % 16 < 12 ? i + 1 : 0));
    map.update(u32(1), values);
    expect(map.lookup(u32(1))).toEqual(values);
    expect(readKeys(map.lookupBatch(undefined, 10))).toEqual([[1], values]);
  });

  it.each([12, 12 * cpus, 16 * cpus + 1])('refuses a value of %i bytes', (size) => {
    const map = makeMap({ type: MAP_TYPE.PERCPU_ARRAY, valueSize: 12, maxEntries: 2 });
    const reason = `value has ${size} bytes, the map's values have ${16 * cpus}`;
    expect(
      kernelErrorOf(() => {
        map.update(u32(1), new Uint8Array(size));
      }).message,
    ).toContain(reason);
    expect(
      kernelErrorOf(() => {
        map.updateBatch(u32(1), new Uint8Array(size), 1);
      }).message,
    ).toContain(`${size} bytes`);
  });

  const readKeys = (batch: { keys: Uint8Array; values: Uint8Array }): unknown[] => [asU32(batch.keys), batch.values];
});

describe('a map of maps', () => {
  const makeOuter = (): { outer: NativeMap; inner: NativeMap } => {
    const inner = makeMap({ type: MAP_TYPE.ARRAY, name: 'inner', maxEntries: 2 });
    const outer = makeMap({
      type: MAP_TYPE.ARRAY_OF_MAPS,
      name: 'outer',
      valueSize: 4,
      maxEntries: 2,
      innerMap: inner,
    });
    return { outer, inner };
  };

  it('takes a map and gives its id', () => {
    const { outer, inner } = makeOuter();
    outer.setInner(u32(1), inner);
    expect(asU32(outer.lookup(u32(1)))).toEqual([inner.info().id]);
    expect(outer.lookup(u32(0))).toBeUndefined();
    expect(outer.delete(u32(1))).toBe(true);
  });

  it('takes no bytes, which would be read as the number of a descriptor', () => {
    const { outer, inner } = makeOuter();
    const reason = 'value cannot be bytes in a map of maps; use setInner';
    expect(
      kernelErrorOf(() => {
        outer.update(u32(1), u32(inner.fd));
      }).message,
    ).toContain(reason);
    expect(
      kernelErrorOf(() => {
        outer.updateBatch(u32(1), u32(inner.fd), 1);
      }).message,
    ).toContain(reason);
  });

  it('refuses a map of another shape, a closed one, and what is no map', () => {
    const { outer, inner } = makeOuter();
    const other = makeMap({ type: MAP_TYPE.ARRAY, name: 'other', valueSize: 4 });
    expect(
      kernelErrorOf(() => {
        outer.setInner(u32(1), other);
      }).message,
    ).toBe('cannot set an inner map of map outer: map other differs from the inner map it was made with (EINVAL)');
    inner.close();
    expect(
      kernelErrorOf(() => {
        outer.setInner(u32(1), inner);
      }),
    ).toMatchObject({
      code: 'ECLOSED',
      object: 'outer',
      message: expect.stringContaining('inner is closed') as string,
    });
    const forged = Object.create(Object.getPrototypeOf(inner) as object) as NativeMap;
    expect(
      kernelErrorOf(() => {
        outer.setInner(u32(1), forged);
      }).message,
    ).toContain('inner is not a map');
    expect(
      kernelErrorOf(() => {
        inner.setInner(u32(1), other);
      }).code,
    ).toBe('ECLOSED');
    expect(
      kernelErrorOf(() => {
        other.setInner(u32(1), other);
      }).message,
    ).toContain('it is not a map of maps');
  });
});
