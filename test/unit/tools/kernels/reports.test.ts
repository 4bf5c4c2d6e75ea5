// SPDX-License-Identifier: Apache-2.0
// One report out of several.

import { expect, it } from 'vitest';
import { mergeReports } from '../../../../tools/kernels/reports.ts';

it('adds up numbers, strings files together, and is a success when all are', () => {
  const one = { numPassedTests: 3, numFailedTests: 0, startTime: 1, success: true, testResults: ['a'] };
  const two = { numPassedTests: 4, numFailedTests: 1, startTime: 2, success: false, testResults: ['b'] };
  expect(JSON.parse(mergeReports([JSON.stringify(one), JSON.stringify(two)]))).toEqual({
    numPassedTests: 7,
    numFailedTests: 1,
    startTime: 1,
    success: false,
    testResults: ['a', 'b'],
  });
});
