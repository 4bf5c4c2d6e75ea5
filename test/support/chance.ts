// SPDX-License-Identifier: Apache-2.0
// Chance that can be had again: the seed of a failing test is printed, and BPFSVC_TEST_SEED sets it.

import { randomInt } from 'node:crypto';
import { onTestFailed } from 'vitest';

/** A seed for this test. */
export function testSeed(): number {
  const given = process.env['BPFSVC_TEST_SEED'];
  const seed = given === undefined ? randomInt(2 ** 31) : Number(given);
  onTestFailed(() => {
    process.stderr.write(`BPFSVC_TEST_SEED=${seed} repeats this failure\n`);
  });
  return seed;
}

/** True in one call of ten (mulberry32). */
export function oneInTen(seed: number): () => boolean {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 < 0.1;
  };
}
