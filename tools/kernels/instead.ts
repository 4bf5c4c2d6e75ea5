// SPDX-License-Identifier: Apache-2.0
// [REPORT=FILE] node tools/kernels/instead.ts demo|test [ARG...]
// The demo, or the tests, in a VM on the newest kernel. Tests that need no kernel run here all the same: they need tools
// that the VM does not have.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { HarnessError } from './errors.ts';
import { ROOT, WORK_DIRECTORY } from './paths.ts';
import { mergeReports } from './reports.ts';
import { Session } from './session.ts';
import { type Tried, tryKernel } from './try.ts';

const REPORT = process.env['REPORT'] ?? '';
const IN_VM = '/job/results/report.json';

async function main([what, ...args]: readonly string[]): Promise<number> {
  if (what === 'demo') return (await inVm(['node', '--run', 'demo', '--', ...args])).status;
  if (what !== 'test') throw new HarnessError(`'${what ?? ''}' is neither demo nor test`);
  const here = path.join(WORK_DIRECTORY, 'unit.json');
  const vitest = (project: string, report: string): string[] => [
    ...['node_modules/.bin/vitest', 'run', '--passWithNoTests', '--project', project],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args],
  ];
  const unit = await execa(process.execPath, vitest('unit', here), { cwd: ROOT, stdio: 'inherit', reject: false });
  const { status, results } = await inVm(vitest('!unit', IN_VM));
  if (REPORT !== '') await writeReport([here, path.join(results, path.basename(IN_VM))]);
  return unit.exitCode === 0 ? status : 1;
}

async function inVm(command: readonly string[]): Promise<Tried> {
  const session = await Session.open();
  return tryKernel(session, {
    kernel: 'newest',
    image: undefined,
    modules: undefined,
    named: false,
    profile: session.profile('usual'),
    command: command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' '),
    limitSeconds: undefined,
  });
}

async function writeReport(files: readonly string[]): Promise<void> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  await writeFile(REPORT, mergeReports(texts));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof HarnessError)) throw error;
  console.error(`kernels: ${error.message}`);
  process.exitCode = 1;
}
