// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { NativeMap } from '../../src/kernel/native-types.ts';
import { kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';

describe('buffers of a wrong size', () => {
  it.each<[string, (map: NativeMap) => unknown, string]>([
    ['a short key of lookup', (map) => map.lookup(new Uint8Array(3)), "key has 3 bytes, the map's keys have 4"],
    ['a long key of lookup', (map) => map.lookup(new Uint8Array(5)), "key has 5 bytes, the map's keys have 4"],
    ['no key of delete', (map) => map.delete(new Uint8Array(0)), "key has 0 bytes, the map's keys have 4"],
    ['a short key of nextKey', (map) => map.nextKey(new Uint8Array(3)), "key has 3 bytes, the map's keys have 4"],
    [
      'a short key of update',
      (map) => {
        map.update(new Uint8Array(3), u64(1));
      },
      'key has 3 bytes',
    ],
    [
      'a short value',
      (map) => {
        map.update(u32(1), u32(1));
      },
      "value has 4 bytes, the map's values have 8",
    ],
    [
      'a long value',
      (map) => {
        map.update(u32(1), u64(1, 2));
      },
      "value has 16 bytes, the map's values have 8",
    ],
    [
      'keys of a batch',
      (map) => {
        map.updateBatch(u32(1, 2), u64(1, 2, 3), 3);
      },
      'keys has 8 bytes, that many keys have 12',
    ],
    [
      'values of a batch',
      (map) => {
        map.updateBatch(u32(1, 2), u64(1), 2);
      },
      'values has 8 bytes, that many values have 16',
    ],
    ['keys to delete', (map) => map.deleteBatch(u32(1), 2), 'keys has 4 bytes, that many keys have 8'],
    ['a count that overflows', (map) => map.deleteBatch(u32(1), 2 ** 32 - 1), 'that many keys have 17179869180'],
    ['a count of nothing', (map) => map.deleteBatch(new Uint8Array(0), 0), 'count is 0'],
    ['a cursor', (map) => map.lookupBatch(new Uint8Array(8), 1), "cursor has 8 bytes, this map's cursors have 4"],
    ['a key as text', (map) => map.lookup('1234' as unknown as Uint8Array), 'key is not a Uint8Array'],
    [
      'a key of 32-bit elements',
      (map) => map.lookup(new Uint32Array(1) as unknown as Uint8Array),
      'key is not a Uint8Array',
    ],
    [
      'a key that was transferred',
      (map) => {
        const key = new Uint8Array(4);
        structuredClone(key, { transfer: [key.buffer] });
        return map.lookup(key);
      },
      'key has 0 bytes',
    ],
    [
      'flags that are no number',
      (map) => {
        map.update(u32(1), u64(1), 'x' as unknown as number);
      },
      'flags is not a number',
    ],
  ])('are refused: %s', (_, call, reason) => {
    const error = kernelErrorOf(() => call(makeMap()));
    expect(error).toMatchObject({ code: 'EINVAL', errno: 22, object: 'numbers' });
    expect(error.message).toContain(reason);
  });
});
