// SPDX-License-Identifier: Apache-2.0
// Runs the host's tools for the harness, and says in one line what failed and where the tool comes from.

import { execa } from 'execa';
import { HarnessError } from './errors.ts';

export interface CommandOptions {
  cwd?: string;
  input?: string;
}

/** Its standard output. */
export async function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { cwd, input } = options;
  const result = await execa(file, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: 'ignore' } : { input }),
    env: { LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
    maxBuffer: 1 << 28,
    reject: false,
  });
  if (!result.failed) return result.stdout;
  if (result.code === 'ENOENT') throw new HarnessError(`${file} is not installed: run make deps DEPS='vm guest'`);
  throw new HarnessError(`${result.escapedCommand} failed: ${result.stderr || result.stdout || result.shortMessage}`);
}
