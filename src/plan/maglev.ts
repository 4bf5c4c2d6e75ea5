// SPDX-License-Identifier: Apache-2.0
// Pure: the Maglev lookup table (Eisenbud et al., NSDI 2016, section 3.4). Made from backend keys, never from ids, so
// that every node that knows the same backends computes the same table.

import { murmur3 } from './murmur.ts';

/** Primes just under powers of two: a table fills its power-of-two run of slots, and its size changes only when the
 * number of backends doubles. The same backends have the same size on every node, whatever their history. */
export const TABLE_SIZES: readonly number[] = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071];

/** Slots a backend should have for shares within 1 % of each other. */
const SLOTS_PER_BACKEND = 100;

/** The table size for a number of backends: the first that gives each 100 slots, or the largest allowed; but never less
 * than one slot each, whatever is allowed. */
export function tableSize(backends: number, cap = 131071): number {
  let size = TABLE_SIZES[0] ?? 251;
  for (const candidate of TABLE_SIZES) {
    if (candidate > cap && size >= backends) break;
    size = candidate;
    if (candidate >= backends * SLOTS_PER_BACKEND) break;
  }
  return size;
}

/**
 * Indexes into keys, one a slot. The keys' order decides ties, so callers sort them.
 * @param keys at least one
 * @param size a prime, greater than the number of keys
 * @param weights of the keys: how often each has its turn (section 3.4 of the paper); equal ones change nothing
 */
export function maglevTable(keys: readonly string[], size: number, weights: readonly number[] = []): Uint32Array {
  const count = keys.length;
  const position = new Uint32Array(count);
  const skip = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const key = keys[i] ?? '';
    position[i] = murmur3(key, 0x6f666673) % size;
    skip[i] = (murmur3(key, 0x736b6970) % (size - 1)) + 1;
  }
  const table = new Uint32Array(size).fill(FREE);
  const heaviest = Math.max(...weights);
  const credit = weights.every((weight) => weight === heaviest) ? undefined : weights.map(() => 0);
  for (let filled = 0; ;) {
    for (let i = 0; i < count; i++) {
      if (credit !== undefined && !takesTurn(credit, i, weights[i] ?? heaviest, heaviest)) continue;
      let at = position[i] ?? 0;
      const step = skip[i] ?? 1;
      while (table[at] !== FREE) {
        at += step;
        if (at >= size) at -= size;
      }
      table[at] = i;
      position[i] = at;
      if (++filled === size) return table;
    }
  }
}

const FREE = 0xffff_ffff;

function takesTurn(credit: number[], i: number, weight: number, heaviest: number): boolean {
  const saved = (credit[i] ?? 0) + weight;
  credit[i] = saved >= heaviest ? saved - heaviest : saved;
  return saved >= heaviest;
}
