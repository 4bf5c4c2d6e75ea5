// SPDX-License-Identifier: Apache-2.0
// test/kernels/matrix.yaml as types, and what has to be run for a choice of kernels and suites. Pure.

import { parse } from 'yaml';
import { z } from 'zod';
import { HarnessError } from './errors.ts';

const KernelSchema = z.strictObject({
  /** The Debian suite that has it. */
  debian: z.string(),
  /** `6.12` is the newest 6.12.y, `7` the newest 7.x.y. */
  series: z.string(),
});

const BootSchema = z.strictObject({
  cpus: z.int().positive().default(2),
  /** MiB */
  memory: z.int().positive().default(2048),
  /** Added to the kernel's command line. */
  append: z.string().default(''),
  /** The version of the only cgroup hierarchy. */
  cgroup: z.literal([1, 2]).default(2),
  /** How long one suite may take before the VM is ended, when no other process takes this machine's time. */
  minutes: z.number().positive().default(15),
  /** Undefined: all. */
  kernels: z.array(z.string()).nonempty().optional(),
});

const SuiteSchema = z.strictObject({
  /** What vitest is given: directories and files. */
  files: z.array(z.string()).nonempty(),
  /** Only tests whose names match. */
  tests: z.string().optional(),
  /** What of it is run when time is short: tests whose names match, or none. Undefined: all. */
  brief: z.union([z.string(), z.literal(false)]).optional(),
  boots: z.array(z.string()).nonempty().default(['usual']),
  /** Undefined: all that its boots have. */
  kernels: z.array(z.string()).nonempty().optional(),
  /** Files in which one process may run after the other in the same state. */
  isolate: z.boolean().default(true),
});

const MatrixSchema = z.strictObject({
  kernels: z.record(z.string(), KernelSchema),
  boots: z.record(z.string(), BootSchema),
  suites: z.record(z.string(), SuiteSchema),
});

export type Matrix = z.infer<typeof MatrixSchema>;
export type BootProfile = z.infer<typeof BootSchema>;

export interface Suite extends z.infer<typeof SuiteSchema> {
  readonly name: string;
}

/** One start of a VM. */
export interface Run {
  readonly kernel: string;
  readonly boot: string;
  readonly suites: readonly Suite[];
}

export function parseMatrix(text: string, file: string): Matrix {
  const result = MatrixSchema.safeParse(parse(text));
  if (!result.success) throw new HarnessError(`${file}: ${z.prettifyError(result.error)}`);
  const matrix = result.data;
  for (const [name, suite] of Object.entries(matrix.suites)) {
    checkNames(suite.boots, matrix.boots, `${file}: ${name}: no boot`);
    checkNames(suite.kernels ?? [], matrix.kernels, `${file}: ${name}: no kernel`);
  }
  for (const [name, { kernels }] of Object.entries(matrix.boots)) {
    checkNames(kernels ?? [], matrix.kernels, `${file}: ${name}: no kernel`);
  }
  return matrix;
}

/** The matrix of which each suite has only what is run when time is short. */
export function briefly(matrix: Matrix): Matrix {
  const suites = Object.entries(matrix.suites).flatMap(([name, suite]) => {
    if (suite.brief === false) return [];
    return [[name, suite.brief === undefined ? suite : { ...suite, tests: suite.brief }] as const];
  });
  return { ...matrix, suites: Object.fromEntries(suites) };
}

/** Empty choices mean all. Suites that share kernel and boot share a VM, in the matrix's order. */
export function plan(matrix: Matrix, kernels: readonly string[], suites: readonly string[]): Run[] {
  checkNames(kernels, matrix.kernels, 'the matrix has no kernel');
  checkNames(suites, matrix.suites, 'the matrix has no suite');
  const runs: Run[] = [];
  for (const kernel of kernels.length > 0 ? kernels : Object.keys(matrix.kernels)) {
    for (const [boot, profile] of Object.entries(matrix.boots)) {
      if (profile.kernels?.includes(kernel) === false) continue;
      const wanted = Object.entries(matrix.suites)
        .map(([name, suite]) => ({ name, ...suite }))
        .filter((suite) => suite.boots.includes(boot) && (suite.kernels?.includes(kernel) ?? true))
        .filter(({ name }) => suites.length === 0 || suites.includes(name));
      if (wanted.length > 0) runs.push({ kernel, boot, suites: wanted });
    }
  }
  return runs;
}

function checkNames(names: readonly string[], table: Readonly<Record<string, unknown>>, problem: string): void {
  for (const name of names) {
    if (!Object.hasOwn(table, name))
      throw new HarnessError(`${problem} ${name}; known: ${Object.keys(table).join(' ')}`);
  }
}
