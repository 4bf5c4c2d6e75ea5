// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { MAP_FLAG, MAP_TYPE } from '../../src/kernel/constants.ts';
import type { NativeMap } from '../../src/kernel/native-types.ts';
import { asU64, kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';

const PAGE = Number(execFileSync('getconf', ['PAGESIZE']));

describe('mmap', () => {
  const makeWords = (): NativeMap =>
    makeMap({ type: MAP_TYPE.ARRAY, name: 'words', maxEntries: PAGE / 4, flags: MAP_FLAG.MMAPABLE });

  it('shares the memory of the map, from an offset on', () => {
    const map = makeWords();
    const words = new BigUint64Array(map.mmap(PAGE, PAGE));
    Atomics.store(words, 1, 0x1122_3344_5566_7788n);
    expect(asU64(map.lookup(u32(PAGE / 8 + 1)))).toEqual([0x1122_3344_5566_7788n]);
    map.update(u32(PAGE / 8 + 2), u64(5));
    expect(Atomics.load(words, 2)).toBe(5n);
  });

  it.each<[string, number, number, string]>([
    ['an offset within a page', 8, 8, `offset is not a multiple of the page size ${PAGE}`],
    ['nothing', 0, 0, 'length is 0'],
    ['more than there is', 0, 2 * PAGE + 1, `length ends behind the map's ${2 * PAGE} bytes`],
    ['more than there is behind the offset', PAGE, PAGE + 1, `length ends behind the map's ${2 * PAGE} bytes`],
    ['an offset behind the end', 3 * PAGE, 1, `length ends behind the map's ${2 * PAGE} bytes`],
  ])('refuses %s', (_, offset, length, reason) => {
    const error = kernelErrorOf(() => makeWords().mmap(offset, length));
    expect(error).toMatchObject({ code: 'EINVAL', op: 'map.mmap', object: 'words' });
    expect(error.message).toContain(reason);
  });

  it('refuses a map that was not made for it', () => {
    const reason = 'it is not an array with BPF_F_MMAPABLE';
    expect(kernelErrorOf(() => makeMap().mmap(0, PAGE)).message).toContain(reason);
    expect(kernelErrorOf(() => makeMap({ type: MAP_TYPE.ARRAY }).mmap(0, PAGE)).message).toContain(reason);
  });

  it('outlives close(), and ends with munmap, which may come twice', () => {
    const map = makeWords();
    const buffer = map.mmap(0, 2 * PAGE);
    const words = new BigUint64Array(buffer);
    map.close();
    Atomics.store(words, 0, 1n);
    map.munmap(buffer);
    expect([buffer.detached, buffer.byteLength, words.length]).toEqual([true, 0, 0]);
    expect(() => Atomics.store(words, 0, 2n)).toThrow(TypeError);
    map.munmap(buffer);
  });

  it('maps anew what was unmapped, where the old memory was', () => {
    const map = makeWords();
    for (let round = 0; round < 100; round++) {
      const buffer = map.mmap(0, PAGE);
      new BigUint64Array(buffer)[0] = BigInt(round);
      map.munmap(buffer);
    }
    expect(asU64(map.lookup(u32(0)))).toEqual([99n]);
  });

  it('unmaps nothing that it did not map', () => {
    const map = makeWords();
    expect(
      kernelErrorOf(() => {
        map.munmap(new ArrayBuffer(8));
      }).message,
    ).toContain('buffer is not memory of a map');
    expect(
      kernelErrorOf(() => {
        map.munmap(new ArrayBuffer(0));
      }).message,
    ).toContain('buffer is not memory of a map');
    expect(
      kernelErrorOf(() => {
        map.munmap(new Uint8Array(8) as unknown as ArrayBuffer);
      }).message,
    ).toContain('buffer is not an ArrayBuffer');
  });
});
