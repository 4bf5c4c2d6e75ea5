// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { maglevTable, TABLE_SIZES, tableSize } from '../../../src/plan/maglev.ts';

function keys(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `10.1.${i >> 8}.${i & 255} 8080/TCP`).sort();
}

function shares(table: Uint32Array, count: number): number[] {
  const slots = new Array<number>(count).fill(0);
  for (const backend of table) slots[backend] = (slots[backend] ?? 0) + 1;
  return slots;
}

describe('a Maglev table', () => {
  test.each([1, 2, 3, 10, 50, 100, 300])('gives %i backends shares within one percent of each other', (count) => {
    const slots = shares(maglevTable(keys(count), tableSize(count)), count);
    // Turns differ by one slot at most; with 100 slots each, that is the percent.
    expect(Math.max(...slots) - Math.min(...slots)).toBeLessThanOrEqual(1);
    expect(Math.min(...slots)).toBeGreaterThanOrEqual(100);
  });

  test("moves at most two percent of the other backends' slots when one of 100 leaves", () => {
    const all = keys(100);
    const size = tableSize(100);
    const before = maglevTable(all, size);
    for (const gone of [0, 17, 50, 99]) {
      const rest = all.filter((_, i) => i !== gone);
      const after = maglevTable(rest, size);
      let moved = 0;
      let others = 0;
      for (let slot = 0; slot < size; slot++) {
        const owner = all[before[slot] ?? 0];
        if (owner === all[gone]) continue;
        others++;
        if (rest[after[slot] ?? 0] !== owner) moved++;
      }
      expect(moved / others).toBeLessThanOrEqual(0.02);
    }
  });

  test('is the same for the same backends', () => {
    expect(maglevTable(keys(10), 1021)).toEqual(maglevTable(keys(10), 1021));
    expect(maglevTable(keys(10), 1021)).not.toEqual(maglevTable(keys(11).slice(1), 1021));
  });
});

describe("a table's size", () => {
  test('is the first prime of the ladder that gives each backend 100 slots', () => {
    expect([1, 2, 3, 10, 11, 20, 1310].map((count) => tableSize(count))).toEqual([
      251, 251, 509, 1021, 2039, 2039, 131071,
    ]);
  });

  test('stays below a cap, and at the largest for more backends than it was made for', () => {
    expect(tableSize(100, 4093)).toBe(4093);
    expect(tableSize(100_000)).toBe(131071);
  });

  test('has a slot for every backend, whatever the cap', () => {
    expect(tableSize(300, 251)).toBe(509);
    expect(new Set(maglevTable(keys(300), tableSize(300, 251))).size).toBe(300);
  });

  test('is a prime that fits a power of two, each about twice the one before', () => {
    for (const size of TABLE_SIZES) {
      for (let divisor = 2; divisor * divisor <= size; divisor++) expect(size % divisor).not.toBe(0);
      expect(2 ** Math.ceil(Math.log2(size)) / size).toBeLessThan(1.03);
    }
  });
});
