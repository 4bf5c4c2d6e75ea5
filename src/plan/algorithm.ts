// SPDX-License-Identifier: Apache-2.0
// Pure: the algorithms by which a Service chooses among its backends, and the slots that each of them reads. What a
// program does with the slots stands in bpf/pick.h.

import { maglevTable, tableSize } from './maglev.ts';

/** As IPVS names its schedulers, where it has them. */
export const ALGORITHMS = ['maglev', 'random', 'rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'sh', 'dh', 'p2c'] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

export const DEFAULT_ALGORITHM: Algorithm = 'maglev';

export const MAX_WEIGHT = 65_535;

/** maglev: a lookup table; turns: backends in the order of their turns; pairs: each backend with its weight. */
export type SlotLayout = 'maglev' | 'turns' | 'pairs';

const LAYOUT: Readonly<Record<Algorithm, SlotLayout>> = {
  maglev: 'maglev',
  sh: 'maglev',
  dh: 'maglev',
  random: 'turns',
  rr: 'turns',
  wrr: 'turns',
  lc: 'pairs',
  wlc: 'pairs',
  sed: 'pairs',
  nq: 'pairs',
  p2c: 'pairs',
};

export function slotLayout(algorithm: Algorithm): SlotLayout {
  return LAYOUT[algorithm];
}

export function isAlgorithm(text: string): text is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(text);
}

/** rr and lc know no weights, but for 0. */
export function usesWeights(algorithm: Algorithm): boolean {
  return algorithm !== 'rr' && algorithm !== 'lc';
}

/**
 * What a table says, before backends have ids: for each slot the index of its backend, or for pairs the index and, in
 * the next slot, the weight.
 * @param keys sorted, at least one
 * @param weights of the keys, 1…MAX_WEIGHT
 * @param cap the largest Maglev table
 */
export function slotIndexes(
  layout: SlotLayout,
  keys: readonly string[],
  weights: readonly number[],
  cap: number,
): Uint32Array {
  switch (layout) {
    case 'maglev':
      return maglevTable(keys, tableSize(keys.length, cap), weights);
    case 'turns':
      return turns(weights, cap);
    case 'pairs':
      return Uint32Array.from(weights.flatMap((weight, index) => [index, weight]));
  }
}

/**
 * One round of IPVS's weighted round robin (net/netfilter/ipvs/ip_vs_wrr.c): the heaviest first, all who reach the
 * current weight in order, which falls by the greatest common divisor. With equal weights it is round robin.
 */
function turns(weights: readonly number[], cap: number): Uint32Array {
  const [fitting, step] = fit(weights, cap);
  const order: number[] = [];
  for (let level = Math.max(...fitting); level > 0; level -= step) {
    for (const [index, weight] of fitting.entries()) if (weight >= level) order.push(index);
  }
  return Uint32Array.from(order);
}

/** Weights whose round has at most `cap` turns, each backend one at least; and their greatest common divisor. */
function fit(weights: readonly number[], cap: number): [readonly number[], number] {
  const step = weights.reduce(greatestCommonDivisor, 0);
  const sum = weights.reduce((total, weight) => total + weight / step, 0);
  if (sum <= Math.max(cap, weights.length)) return [weights, step];
  const scaled = weights.map((weight) => Math.max(1, Math.floor((weight / step) * (cap / sum))));
  return [scaled, scaled.reduce(greatestCommonDivisor, 0)];
}

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
