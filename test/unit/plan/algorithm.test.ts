// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { MAX_WEIGHT, slotIndexes } from '../../../src/plan/algorithm.ts';

const CAP = 131_071;
const KEYS = ['a', 'b', 'c', 'd'];

function slots(layout: 'maglev' | 'turns' | 'pairs', weights: readonly number[], cap = CAP): number[] {
  return [...slotIndexes(layout, KEYS.slice(0, weights.length), weights, cap)];
}

describe('turns', () => {
  test('go round among equals', () => {
    expect(slots('turns', [1, 1, 1])).toEqual([0, 1, 2]);
    expect(slots('turns', [7, 7])).toEqual([0, 1]);
  });

  // The example of ip_vs_wrr: A=4, B=3, C=2 are scheduled AABABCABC.
  test('follow weights as IPVS schedules them', () => {
    expect(slots('turns', [4, 3, 2])).toEqual([0, 0, 1, 0, 1, 2, 0, 1, 2]);
  });

  test('leave nobody out where weights would take more slots than there are', () => {
    const order = slots('turns', [MAX_WEIGHT, 1], 100);
    expect(order.length).toBeLessThanOrEqual(100);
    expect(order.filter((index) => index === 1)).toHaveLength(1);
  });
});

test('pairs are each backend with its weight', () => {
  expect(slots('pairs', [3, 1])).toEqual([0, 3, 1, 1]);
});

describe('a weighted Maglev table', () => {
  test('has shares in the proportion of weights', () => {
    const table = slots('maglev', [3, 1]);
    const first = table.filter((index) => index === 0).length;
    expect(Math.abs(first / table.length - 0.75)).toBeLessThan(0.01);
  });

  test('is the plain one where all weights are equal', () => {
    expect(slots('maglev', [5, 5, 5])).toEqual(slots('maglev', [1, 1, 1]));
  });
});
