// SPDX-License-Identifier: Apache-2.0
// `bpfsvc compile`: hands on to the toolchain.

import { compileCommand } from '../../toolchain/compile-command.ts';
import type { CompileCommandOptions } from '../../toolchain/compile-command.ts';

export async function compile(options: CompileCommandOptions): Promise<void> {
  await compileCommand(options, (line) => {
    process.stdout.write(`${line}\n`);
  });
}
