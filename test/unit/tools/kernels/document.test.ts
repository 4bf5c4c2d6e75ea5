// SPDX-License-Identifier: Apache-2.0
// docs/kernels.md out of results.

import { expect, it } from 'vitest';
import { documentText } from '../../../../tools/kernels/document.ts';
import type { RunFindings } from '../../../../tools/kernels/findings.ts';

function findings(kernel: string, state: string, uses: string, boot = 'usual'): RunFindings {
  const suite = { name: 'check', passed: 2, failed: 0, skipped: 0, seconds: 1.4, failures: [] };
  return {
    result: {
      kernel,
      release: `${kernel}.1`,
      accelerator: 'tcg',
      boot,
      seconds: 10,
      suites: [suite],
      problems: [],
      directory: '/results',
    },
    check: { features: [{ id: 'tcx', state, uses }] },
  };
}

it('the document has a column per kernel: features, suites of each boot, instructions', () => {
  const all = [
    findings('5.10', 'fallback', 'clsact'),
    findings('6.12', 'native', 'tcx'),
    findings('6.12', 'native', 'tcx', 'many-cpus'),
  ];
  const lines = documentText(all, { tc_ingress: { '5.10': 100, '6.12': 90 } }).split('\n');
  expect(lines).toContain('| feature | 5.10 | 6.12 | what is used |');
  expect(lines).toContain('| tcx | fallback | native | clsact; else: tcx |');
  expect(lines).toContain('| suite | 5.10 | 6.12 | 6.12-many-cpus |');
  expect(lines).toContain('| check | 2 passed, 0 failed (1 s) | 2 passed, 0 failed (1 s) | 2 passed, 0 failed (1 s) |');
  expect(lines).toContain('| 6.12-many-cpus | 6.12.1 | tcg | 1 |');
  expect(lines).toContain('| tc_ingress | 100 | 90 |');
});
