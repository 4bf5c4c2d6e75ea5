// SPDX-License-Identifier: Apache-2.0
// What does not pass yet. A rule or sight says so itself, and then must fail; or a feature is missing as a whole, so that
// no single rule need say it: then some pass and some fail, until the entry here has to go. Empty in the end.

import type { Held, Path, Rule, Sight, Vantage } from './rule.ts';

interface Missing {
  readonly feature: string;
  readonly path: Path;
  readonly from: readonly Vantage[];
}

export const MISSING: readonly Missing[] = [];

export interface Pending {
  readonly feature: string;
  /** Missing as a whole. */
  readonly broad: boolean;
}

export function pendingOf(rule: Rule, sight: Sight | Held, path: Path): Pending | undefined {
  const mark = sight.pending ?? rule.pending;
  const own = typeof mark === 'object' ? mark[path] : mark;
  const from = 'held' in sight ? holderOf(rule, sight.held) : sight.from;
  const missing = MISSING.find((entry) => entry.path === path && entry.from.includes(from));
  if (missing !== undefined) return { feature: missing.feature, broad: true };
  return own === undefined ? undefined : { feature: own, broad: false };
}

// --- internal ---

function holderOf({ seen = [], steps = [] }: Rule, name: string): Vantage {
  const sights = [...seen, ...steps.flatMap((step) => step.seen)];
  const holder = sights.find((sight) => !('held' in sight) && sight.holds === name);
  if (holder === undefined || 'held' in holder) throw new Error(`nobody holds '${name}'`);
  return holder.from;
}
