// SPDX-License-Identifier: Apache-2.0
// What came of a run: the lines that a person reads, and the record of all runs as JSON. Pure.

import type { Accelerator } from './accelerator.ts';
import type { SuiteResult } from './suites.ts';

export interface RunResult {
  readonly kernel: string;
  /** What `uname -r` says there. */
  readonly release: string;
  readonly accelerator: Accelerator;
  readonly boot: string;
  readonly seconds: number;
  readonly suites: readonly SuiteResult[];
  /** Of the VM itself: out of time, or what the kernel complained of. */
  readonly problems: readonly string[];
  /** Console log, and each suite's log and report. */
  readonly directory: string;
}

/** Failures of one suite that are named: the rest is in its log. */
const SHOWN = 20;

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A problem of the VM counts as one failure. */
export function totals(results: readonly RunResult[]): Totals {
  const suites = results.flatMap((result) => result.suites);
  const sum = (count: (suite: SuiteResult) => number): number => suites.reduce((all, suite) => all + count(suite), 0);
  const problems = results.filter((result) => result.problems.length > 0).length;
  return { passed: sum((s) => s.passed), failed: sum((s) => s.failed) + problems, skipped: sum((s) => s.skipped) };
}

/** A VM's own name in output and file names. */
export function runName({ kernel, boot }: { kernel: string; boot: string }): string {
  return boot === 'usual' ? kernel : `${kernel}-${boot}`;
}

export function suiteLine(run: string, suite: SuiteResult): string {
  const counts = countsOf(suite);
  return `${run.padEnd(12)} ${suite.name.padEnd(16)} ${counts.padEnd(36)} ${suite.seconds.toFixed(0)} s`;
}

/** What failed, and where to read on. */
export function failureLines(result: RunResult): string[] {
  const name = runName(result);
  return [
    ...result.suites.flatMap((suite) => someOf(suite.failures).map((failure) => `${name} ${suite.name}: ${failure}`)),
    ...result.problems.map((problem) => `${name}: ${problem}`),
  ];
}

function someOf(failures: readonly string[]): string[] {
  const more = failures.length - SHOWN;
  return [...failures.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
}

/** In words that a script can read. */
export function countsOf({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
