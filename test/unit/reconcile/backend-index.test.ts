// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BackendIndex } from '../../../src/reconcile/backend-index.ts';

describe('the index of backends', () => {
  test('finds what a Map would, whatever is added and removed', () => {
    const steps = fc.array(fc.record({ id: fc.integer({ min: 1, max: 5000 }), key: fc.integer({ min: 0, max: 40 }) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const keys = new Map<number, string>();
        const index = new BackendIndex((id) => keys.get(id) ?? '');
        for (const { id, key: number } of all) {
          const key = `10.0.0.${number} 80/TCP`;
          if (keys.has(id)) {
            index.remove(id);
            keys.delete(id);
          } else if (index.find(key) === undefined) {
            keys.set(id, key);
            index.add(id, key);
          }
        }
        expect(index.size).toBe(keys.size);
        for (const [id, key] of keys) expect(index.find(key)).toBe(id);
      }),
    );
  });

  test('grows to any number of them', () => {
    const keyOf = (id: number): string => `fd00::${id.toString(16)} 80/UDP`;
    const index = new BackendIndex(keyOf);
    const ids = Array.from({ length: 20_000 }, (_, i) => i + 1);
    for (const id of ids) index.add(id, keyOf(id));
    for (const id of ids) if (id % 2 === 0) index.remove(id);
    expect(ids.filter((id) => index.find(keyOf(id)) !== (id % 2 === 0 ? undefined : id))).toEqual([]);
    expect(index.size).toBe(10_000);
  });

  test('refuses to remove what is not in it', () => {
    const index = new BackendIndex(String);
    index.add(1, '1');
    expect(() => {
      index.remove(2);
    }).toThrow('backend 2 is not in the index');
  });
});
