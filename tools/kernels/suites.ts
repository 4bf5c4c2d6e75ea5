// SPDX-License-Identifier: Apache-2.0
// The suites of one VM as a script for it, and what the script has left behind as results. Pure but for reading files.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Suite } from './matrix.ts';

export interface SuiteResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** Names of failed tests, files that could not be loaded, and what else went wrong. */
  readonly failures: readonly string[];
  /** Whether not all of its tests were asked for, because time was short. */
  readonly brief?: boolean;
}

/** Written to the VM's output when a suite has ended. */
const MARK = '@@ suite';
const END = new RegExp(`^${MARK} (\\S+) (\\d+) (\\d+)$`);

export function suitesScript(suites: readonly Suite[], environment: Readonly<Record<string, string>> = {}): string {
  const lines = [
    ...Object.entries({ NO_COLOR: '1', ...environment }).map(([name, value]) => `export ${name}=${quoted(value)}`),
    'suite() {',
    '  local name=$1 begin=$EPOCHREALTIME; shift',
    '  mkdir -p "/job/results/$name"',
    '  node_modules/.bin/vitest run --reporter=default --reporter=json --outputFile.json="/job/results/$name/vitest.json" \\',
    '    "$@" >"/job/results/$name/log" 2>&1',
    '  local status=$? end=$EPOCHREALTIME',
    '  local milliseconds=$(((${end/./} - ${begin/./}) / 1000))',
    '  echo "$milliseconds" >"/job/results/$name/milliseconds"',
    '  sync',
    `  echo "${MARK} $name $status $milliseconds"`,
    '}',
    ...suites.map(suiteCall),
  ];
  return lines.join('\n');
}

function suiteCall({ name, files, tests, isolate }: Suite): string {
  const options = [...(tests === undefined ? [] : ['-t', tests]), ...(isolate ? [] : ['--no-isolate'])];
  return ['suite', name, ...options, ...files].map(quoted).join(' ');
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export interface SuiteEnd {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
}

/** Which suites have ended, from a VM's output as it comes in pieces. */
export class SuiteEnds {
  #rest = '';

  feed(output: string): SuiteEnd[] {
    const lines = (this.#rest + output).split(/\r?\n/);
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => {
      const [, name, status, milliseconds] = END.exec(line) ?? [];
      return name === undefined ? [] : [{ name, passed: status === '0', seconds: Number(milliseconds) / 1000 }];
    });
  }
}

const Report = z.object({
  numPassedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** `directory` is the suite's own among the results of its VM. */
export async function suiteResult(name: string, directory: string): Promise<SuiteResult> {
  const milliseconds = Number(await textOf(path.join(directory, 'milliseconds')));
  const seconds = milliseconds / 1000;
  const text = await textOf(path.join(directory, 'vitest.json'));
  if (text === '') return { name, passed: 0, failed: 1, skipped: 0, seconds, failures: ['it did not come to its end'] };
  const report = Report.parse(JSON.parse(text));
  const failures = report.testResults.flatMap((file) => failuresOf(file));
  const skipped = report.numPendingTests + report.numTodoTests;
  if (report.numPassedTests + failures.length === 0) failures.push('it has run no tests');
  return { name, passed: report.numPassedTests, failed: failures.length, skipped, seconds, failures };
}

/** A file that cannot be loaded fails no test, and counts as one. */
function failuresOf(file: z.infer<typeof Report>['testResults'][number]): string[] {
  const name = file.name.replace(/^.*?\/bpfsvc\//, '');
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  if (failed.length > 0) return failed.map((test) => `${name}: ${test.fullName}`);
  return file.status === 'failed' ? [`${name}: ${file.message.split('\n')[0] ?? ''}`] : [];
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
