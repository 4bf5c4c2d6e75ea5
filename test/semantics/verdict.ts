// SPDX-License-Identifier: Apache-2.0
// From what was seen to a test that passes or fails: what is wrong fails, unless it is pending; what is pending must be
// wrong, so that its mark is taken away in time.

import { expect } from 'vitest';
import { explain } from './explain.ts';
import type { Ground } from './ground.ts';
import type { RuleRun, Verdict } from './rule-run.ts';

/** Features that are missing as a whole, and how many sights of them passed and failed. */
export class Broadly {
  readonly #counts = new Map<string, { passed: number; failed: number }>();

  add({ wrong, pending }: Verdict): void {
    if (pending?.broad !== true) return;
    const count = this.#counts.get(pending.feature) ?? { passed: 0, failed: 0 };
    count[wrong.length === 0 ? 'passed' : 'failed']++;
    this.#counts.set(pending.feature, count);
  }

  /** Features that nothing fails for any more. */
  done(): string[] {
    return [...this.#counts].filter(([, { failed }]) => failed === 0).map(([feature]) => feature);
  }
}

export function judge(run: RuleRun, ground: Ground, verdicts: readonly Verdict[]): void {
  const { rule } = run;
  const wrongNow = verdicts.filter(({ pending }) => pending === undefined).flatMap(({ wrong }) => wrong);
  if (wrongNow.length > 0) expect.fail(explain(rule, wrongNow, run.objects(), ground));
  const features = new Set(verdicts.flatMap(({ pending }) => pending?.feature ?? []));
  for (const feature of features) {
    const of = verdicts.filter(({ pending }) => pending?.feature === feature);
    const wrong = of.flatMap((verdict) => verdict.wrong);
    tell(feature, rule.title, wrong);
    const mustFail = of.some(({ pending }) => pending?.broad === false);
    if (mustFail && wrong.length === 0) expect.fail(`${rule.title}: passes; take away its mark pending '${feature}'`);
  }
}

// --- internal ---

/** For whoever implements it. */
function tell(feature: string, title: string, wrong: readonly string[]): void {
  if (process.env['PENDING'] === undefined || wrong.length === 0) return;
  process.stderr.write(`pending '${feature}': ${title}\n${wrong.map((line) => `    ${line}\n`).join('')}`);
}
