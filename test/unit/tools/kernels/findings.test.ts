// SPDX-License-Identifier: Apache-2.0
// What stays known of a VM when some of its suites run again.

import { expect, it } from 'vitest';
import { withRun } from '../../../../tools/kernels/findings.ts';
import type { RunResult } from '../../../../tools/kernels/results.ts';

function run(release: string, suites: Readonly<Record<string, number>>): RunResult {
  return {
    kernel: '6.1',
    release,
    accelerator: 'tcg',
    boot: 'usual',
    seconds: 1,
    suites: Object.entries(suites).map(([name, passed]) => ({
      name,
      passed,
      failed: 0,
      skipped: 0,
      seconds: 1,
      failures: [],
    })),
    problems: [],
    directory: '/results',
  };
}

const check = { features: [] };

it('suites that do not run again stay as they were, those that do are replaced', () => {
  const known = { result: run('6.1.1', { check: 1, load: 2 }), check };
  const now = withRun(known, run('6.1.1', { load: 3, maps: 4 }), undefined);
  expect(now.result.suites.map(({ name, passed }) => [name, passed])).toEqual([
    ['check', 1],
    ['load', 3],
    ['maps', 4],
  ]);
  expect(now.check).toBe(check);
});

it('nothing is kept of another release of the kernel', () => {
  const known = { result: run('6.1.1', { check: 1 }), check };
  expect(withRun(known, run('6.1.2', { load: 3 }), undefined)).toEqual({
    result: run('6.1.2', { load: 3 }),
    check: undefined,
  });
});
