// SPDX-License-Identifier: Apache-2.0
// docs/kernels.md out of results: which feature works how on which kernel, what each suite said, how much work the
// verifier has. Pure but for reading the record of instructions and prettier's settings.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { ROOT, TEST_DIRECTORY } from './paths.ts';
import type { RunFindings } from './findings.ts';
import { countsOf, type RunResult, runName } from './results.ts';
import type { SuiteResult } from './suites.ts';

/** Program → kernel → instructions. */
export type InstructionRecord = Readonly<Record<string, Readonly<Record<string, number>>>>;

const HEAD = `# Kernels

Made by \`make test-kernels ARGS='--doc docs/kernels.md'\` from what ran in VMs; not to be edited. \`bpfsvc check\` says the same
of the kernel that it runs on. docs/development.md tells how to run all this, on a kernel of your own too.
`;

export async function documentOf(findings: readonly RunFindings[]): Promise<string> {
  const record = await readFile(path.join(TEST_DIRECTORY, 'instructions.json'), 'utf8').catch(() => '{}');
  const file = path.join(ROOT, 'docs/kernels.md');
  const text = documentText(findings, JSON.parse(record) as InstructionRecord);
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}

export function documentText(findings: readonly RunFindings[], record: InstructionRecord): string {
  const runs = findings.map(({ result }) => result);
  const kernels = [...new Set(runs.map(({ kernel }) => kernel))];
  return [
    HEAD,
    '## Features\n',
    '`native`: used. `fallback`: something else does the same, or what stands in the column does not work. `refused`: the agent',
    'does not start without it. `unused`: nothing needs it yet.\n',
    ...featureTable(findings.filter(({ result }) => result.boot === 'usual')),
    '\n## Suites\n',
    'What each suite said last; seconds depend on what else the machine did. \\*: `--brief`, tests chosen as the matrix says.\n',
    ...suiteTable(runs),
    '\n## Virtual machines\n',
    ...table(
      ['', 'kernel', 'by', 'seconds'],
      runs.map((run) => [runName(run), run.release, run.accelerator, secondsOf(run).toFixed(0)]),
    ),
    '\n## Instructions that the verifier looks at\n',
    ...table(
      ['program', ...kernels],
      Object.entries(record).map(([program, counts]) => [
        program,
        ...kernels.map((kernel) => String(counts[kernel] ?? '')),
      ]),
    ),
    '',
  ].join('\n');
}

function featureTable(findings: readonly RunFindings[]): string[] {
  const checked = findings.filter(({ check }) => check !== undefined);
  const features = new Map(
    checked.flatMap(({ check }) => check?.features ?? []).map((feature) => [feature.id, feature]),
  );
  const rows = [...features.values()].map(({ id }) => {
    const said = checked.map(({ check }) => check?.features.find((feature) => feature.id === id));
    const states = said.map((feature) => feature?.state ?? '');
    const uses = new Set(said.flatMap((feature) => (feature === undefined ? [] : [feature.uses])));
    return [id, ...states, [...uses].join('; else: ')];
  });
  return table(['feature', ...checked.map(({ result }) => result.kernel), 'what is used'], rows);
}

/** Suites as rows, VMs as columns. */
function suiteTable(runs: readonly RunResult[]): string[] {
  const names = new Set(runs.flatMap(({ suites }) => suites.map(({ name }) => name)));
  const rows = [...names].map((name) => {
    const cells = runs.map(({ suites }) => suites.find((suite) => suite.name === name));
    return [name, ...cells.map((suite) => (suite === undefined ? '' : cellOf(suite)))];
  });
  const problems = runs.some((run) => run.problems.length > 0)
    ? [['the VM itself', ...runs.map((run) => run.problems.join('; '))]]
    : [];
  return table(['suite', ...runs.map((run) => runName(run))], [...rows, ...problems]);
}

/** Of all suites; that they did not run in one boot makes little difference. */
function secondsOf({ suites }: RunResult): number {
  return suites.reduce((all, { seconds }) => all + seconds, 0);
}

function cellOf(suite: SuiteResult): string {
  return `${countsOf(suite)} (${suite.seconds.toFixed(0)} s)${suite.brief ? ' \\*' : ''}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row))];
}
