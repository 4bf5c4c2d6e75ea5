// SPDX-License-Identifier: Apache-2.0
// What a VM is told to run, and what is read from what it leaves behind.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Suite } from '../../../../tools/kernels/matrix.ts';
import { SuiteEnds, suiteResult, suitesScript } from '../../../../tools/kernels/suites.ts';

const SUITE: Suite = { name: 'a', files: ['test/a'], boots: ['usual'], isolate: true };

function results(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-suite-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(directory, name), text);
  return directory;
}

function report(testResults: readonly object[], counts: object = {}): string {
  return JSON.stringify({ numPassedTests: 0, numPendingTests: 0, numTodoTests: 0, ...counts, testResults });
}

describe('the script of a VM', () => {
  it('gives each suite its files and options, in order', () => {
    const script = suitesScript([SUITE, { ...SUITE, name: 'b', tests: "it's", isolate: false }]);
    const calls = script.split('\n').filter((line) => line.startsWith("'suite'"));
    expect(calls).toEqual(["'suite' 'a' 'test/a'", "'suite' 'b' '-t' 'it'\\''s' '--no-isolate' 'test/a'"]);
  });

  it('sets what the suites are told', () => {
    const script = suitesScript([SUITE], { SAID: "it's" });
    expect(script.split('\n').filter((line) => line.startsWith('export'))).toEqual([
      "export NO_COLOR='1'",
      "export SAID='it'\\''s'",
    ]);
  });
});

describe("a VM's output", () => {
  it('tells which suites have ended, however it is cut into pieces', () => {
    const ends = new SuiteEnds();
    expect(ends.feed('noise\r\n@@ suite pro')).toEqual([]);
    expect(ends.feed('grams 0 1500\r\n@@ suite sockets 1 20\n@@')).toEqual([
      { name: 'programs', passed: true, seconds: 1.5 },
      { name: 'sockets', passed: false, seconds: 0.02 },
    ]);
  });
});

describe('the result of a suite', () => {
  it('counts tests, and names those that failed', async () => {
    const tests = [
      { fullName: 'one', status: 'failed' },
      { fullName: 'two', status: 'passed' },
    ];
    const file = { name: '/bpfsvc/test/a.test.ts', status: 'failed', message: '', assertionResults: tests };
    const text = report([file], { numPassedTests: 1, numPendingTests: 2, numTodoTests: 1 });
    expect(await suiteResult('a', results({ 'vitest.json': text, milliseconds: '2500\n' }))).toEqual({
      name: 'a',
      passed: 1,
      failed: 1,
      skipped: 3,
      seconds: 2.5,
      failures: ['test/a.test.ts: one'],
    });
  });

  it('counts a file that could not be loaded as a failure', async () => {
    const file = { name: '/bpfsvc/test/a.test.ts', status: 'failed', message: 'no such\nfile', assertionResults: [] };
    const result = await suiteResult('a', results({ 'vitest.json': report([file]) }));
    expect(result.failures).toEqual(['test/a.test.ts: no such']);
  });

  it('is a failure when the suite did not come to its end, and when it has run no tests', async () => {
    expect(await suiteResult('a', results({}))).toMatchObject({ failed: 1, failures: ['it did not come to its end'] });
    const empty = await suiteResult('a', results({ 'vitest.json': report([], { numPendingTests: 1 }) }));
    expect(empty).toMatchObject({ failed: 1, failures: ['it has run no tests'] });
  });
});
