// SPDX-License-Identifier: Apache-2.0
// `bpfsvc compile [--out DIR] [--clang PATH]`, without the parsing of arguments.

import { compileProduct } from './product.ts';

export interface CompileCommandOptions {
  readonly out?: string | undefined;
  readonly clang?: string | undefined;
}

/** Prints one line; a failure is thrown as ToolchainError, whose message is meant for the terminal. */
export async function compileCommand(options: CompileCommandOptions, print: (line: string) => void): Promise<void> {
  const { object, cached, compiler } = await compileProduct({ outDir: options.out, clang: options.clang });
  print(cached ? `${object} is up to date (${compiler})` : `${object} compiled (${compiler})`);
}
