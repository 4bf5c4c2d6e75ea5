// SPDX-License-Identifier: Apache-2.0
// bpfsvc's own object: where it lies and what it is compiled from. Knows nothing generated from it, so that it can be
// compiled when that is missing.

import path from 'node:path';
import type { CompileResult } from './compile.ts';

export const OBJECT_NAME = 'bpfsvc.bpf.o';

/** The package's own directory: this file lies two below it, as source and when built. */
const ROOT = path.resolve(import.meta.dirname, '../..');

export const OBJECT_DIR = path.join(ROOT, 'dist/bpf');

export interface CompileProductOptions {
  readonly outDir?: string | undefined;
  readonly clang?: string | undefined;
}

export async function compileProduct({ outDir, clang }: CompileProductOptions = {}): Promise<CompileResult> {
  // Only now: an agent that finds its object has no use for what starts compilers, which takes some megabytes.
  const { compile, findSources } = await import('./compile.ts');
  return compile({
    output: path.join(path.resolve(outDir ?? OBJECT_DIR), OBJECT_NAME),
    root: ROOT,
    sources: await findSources(ROOT, 'bpf'),
    includeDirs: ['bpf'],
    clang,
  });
}
