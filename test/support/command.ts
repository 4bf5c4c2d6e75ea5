// SPDX-License-Identifier: Apache-2.0
// One-shot commands for tests: run, read the output, fail with everything that was said. It knows no namespace.

import { execa } from 'execa';

export async function run(command: string, args: readonly string[], input?: string): Promise<string> {
  const result = await execa(command, args, {
    ...(input === undefined ? { stdin: 'ignore' } : { input }),
    reject: false,
  });
  if (result.failed) {
    throw new Error(`${result.escapedCommand}: ${result.stderr || result.stdout || result.shortMessage}`, {
      cause: result,
    });
  }
  return result.stdout;
}
