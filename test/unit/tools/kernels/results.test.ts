// SPDX-License-Identifier: Apache-2.0
// Sums and lines of what came of the matrix.

import { describe, expect, it } from 'vitest';
import { countsOf, failureLines, type RunResult, runName, totals } from '../../../../tools/kernels/results.ts';

const SUITE = { name: 'a', passed: 3, failed: 1, skipped: 2, seconds: 1, failures: ['x.test.ts: one'] };
const RUN: RunResult = {
  kernel: '6.1',
  release: '6.1.0',
  accelerator: 'tcg',
  boot: 'usual',
  seconds: 10,
  suites: [SUITE, { ...SUITE, failed: 0, failures: [] }],
  problems: ['out of time'],
  directory: '/results',
};

describe('results', () => {
  it('add up, with a VM that failed as one failure', () => {
    expect(totals([RUN, { ...RUN, problems: [] }])).toEqual({ passed: 12, failed: 3, skipped: 8 });
  });

  it('name what failed', () => {
    expect(failureLines(RUN)).toEqual(['6.1 a: x.test.ts: one', '6.1: out of time']);
  });

  it('leave out what is usual', () => {
    expect([runName(RUN), runName({ ...RUN, boot: 'many' })]).toEqual(['6.1', '6.1-many']);
    expect(countsOf({ passed: 1, failed: 0, skipped: 0 })).toBe('1 passed, 0 failed');
    expect(countsOf({ passed: 1, failed: 0, skipped: 2 })).toBe('1 passed, 0 failed, 2 skipped');
  });
});
