// SPDX-License-Identifier: Apache-2.0
// Runs suites on kernels, some VMs at a time, and tells what came of it.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { kernelComplaints } from './console.ts';
import { documentOf } from './document.ts';
import { type CheckReport, type RunFindings, withRun } from './findings.ts';
import { briefly, plan, type Run } from './matrix.ts';
import { WORK_DIRECTORY } from './paths.ts';
import { recordCounts } from './record.ts';
import { countsOf, failureLines, type RunResult, runName, suiteLine, totals } from './results.ts';
import type { Session } from './session.ts';
import { SuiteEnds, suiteResult, suitesScript } from './suites.ts';
import { boot, type Ended } from './vm.ts';

export interface TestOptions {
  readonly kernels: readonly string[];
  readonly suites: readonly string[];
  /** VMs at the same time. */
  readonly jobs: number;
  /** Multiplies all limits: a busy machine needs more. */
  readonly patience: number;
  /** The file to write anew from all results that there are. */
  readonly document: string | undefined;
  /** Only what each suite has for when time is short. */
  readonly brief: boolean;
  /** Whether what the verifier does becomes the record, instead of being held against it. */
  readonly record: boolean;
}

/** Each VM's own stay until it is run again; what is known of each suite, until that is. */
const RESULTS = path.join(WORK_DIRECTORY, 'results');

/** The exit status: 0 when all that was planned ran and nothing failed. */
export async function testKernels(session: Session, options: TestOptions): Promise<number> {
  const kernels = options.kernels.map((name) => session.kernelName(name));
  const matrix = options.brief ? briefly(session.matrix) : session.matrix;
  const planned = plan(matrix, kernels, options.suites);
  const runs = options.record ? planned.filter(({ boot }) => boot === 'usual') : planned;
  await session.image();
  const results = await inTurns(runs, options.jobs, async (run) => {
    const result = await execute(session, run, options);
    const file = fileOf(run);
    const known = withRun((await jsonIfThere(file)) as RunFindings | undefined, result, await checkOf(result));
    await writeFile(file, `${JSON.stringify(known, undefined, 2)}\n`);
    return result;
  });
  if (options.document !== undefined) {
    const written = await readResults(session);
    await writeFile(options.document, await documentOf(written));
  }
  if (options.record) await recordCounts(results);
  return summarize(results);
}

/** Of this call and of those before, in the matrix's order. */
async function readResults(session: Session): Promise<RunFindings[]> {
  const found = await Promise.all(plan(session.matrix, [], []).map((run) => jsonIfThere(fileOf(run))));
  return found.filter((findings) => findings !== undefined) as RunFindings[];
}

function fileOf(run: Run): string {
  return path.join(RESULTS, `${runName(run)}.json`);
}

async function checkOf({ directory }: RunResult): Promise<CheckReport | undefined> {
  return (await jsonIfThere(path.join(directory, 'results/check.json'))) as CheckReport | undefined;
}

async function jsonIfThere(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

async function execute(session: Session, run: Run, { patience, brief, record }: TestOptions): Promise<RunResult> {
  const kernel = await session.kernel(run.kernel);
  const profile = session.profile(run.boot);
  const machine = await session.machine(kernel, profile);
  const directory = path.join(RESULTS, runName(run));
  const say = (...words: string[]): void => {
    console.log(`${runName(run).padEnd(12)} ${words.join(' ')}`);
  };
  say(`Linux ${kernel.release} by ${machine.accelerator}:`, ...run.suites.map(({ name }) => name));
  const ends = new SuiteEnds();
  const ended = await boot({
    kernel,
    machine,
    root: await session.image(),
    script: suitesScript(run.suites, record ? { BPFSVC_RECORD: '1' } : {}),
    name: run.kernel,
    cgroup: profile.cgroup,
    directory,
    limitSeconds: profile.minutes * 60 * run.suites.length * patience,
    onOutput: (text) => {
      for (const { name, passed, seconds } of ends.feed(text)) {
        say(name, passed ? 'has passed' : 'has failed', `after ${seconds.toFixed(0)} s`);
      }
    },
  });
  const results = path.join(directory, 'results');
  const suites = await Promise.all(
    run.suites.map(async (suite) => ({
      ...(await suiteResult(suite.name, path.join(results, suite.name))),
      brief: brief && suite.brief !== undefined,
    })),
  );
  return {
    kernel: run.kernel,
    release: kernel.release,
    accelerator: machine.accelerator,
    boot: run.boot,
    seconds: ended.seconds,
    suites,
    problems: problemsOf(ended),
    directory,
  };
}

function problemsOf({ status, timedOut, console }: Ended): string[] {
  const problems = kernelComplaints(console).map((line) => `the kernel says ${line}`);
  if (timedOut) problems.push('the VM was ended: out of time');
  else if (status === undefined) problems.push('the VM ended by itself, before its job was done');
  return problems;
}

function summarize(results: readonly RunResult[]): number {
  const lines = ['', ...results.flatMap((result) => result.suites.map((suite) => suiteLine(runName(result), suite)))];
  for (const result of results) {
    const failures = failureLines(result);
    if (failures.length > 0) lines.push('', ...failures, `logs: ${path.relative(process.cwd(), result.directory)}`);
  }
  const all = totals(results);
  console.log([...lines, '', countsOf(all)].join('\n'));
  return all.failed === 0 ? 0 : 1;
}

/** Results in the order of the inputs. */
async function inTurns<T, R>(inputs: readonly T[], atOnce: number, work: (input: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...inputs.entries()];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
