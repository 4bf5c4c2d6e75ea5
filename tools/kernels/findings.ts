// SPDX-License-Identifier: Apache-2.0
// What is known of a VM by all calls so far: of each suite, what it said when it last came to its end. Pure.

import type { RunResult } from './results.ts';

/** What `bpfsvc check -o json` said, as far as it is needed here. */
export interface CheckReport {
  readonly features: readonly { readonly id: string; readonly state: string; readonly uses: string }[];
}

export interface RunFindings {
  readonly result: RunResult;
  /** Of the suite `check`, where that ran. */
  readonly check: CheckReport | undefined;
}

/** Of another release of the kernel nothing is kept. */
export function withRun(
  known: RunFindings | undefined,
  result: RunResult,
  check: CheckReport | undefined,
): RunFindings {
  if (known?.result.release !== result.release) return { result, check };
  const again = new Set(result.suites.map(({ name }) => name));
  const others = known.result.suites.filter(({ name }) => !again.has(name));
  return { result: { ...result, suites: [...others, ...result.suites] }, check: check ?? known.check };
}
