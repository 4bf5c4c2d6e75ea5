// SPDX-License-Identifier: Apache-2.0
// node tools/abigen/main.ts [OBJECT... OUTDIR] [--header FILE] [--doc FILE] [--check]
// Without arguments it compiles bpf/ and writes src/abi and docs/map-abi.md; --check writes nothing and fails where
// what is there differs.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addon } from '../../src/kernel/addon.ts';
import { compileProduct } from '../../src/toolchain/product.ts';
import { ToolchainError } from '../../src/toolchain/errors.ts';
import { generate, RulesError } from './generate.ts';
import { headerNames } from './header.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      header: { type: 'string', default: path.join(ROOT, 'bpf/abi.h') },
      doc: { type: 'string', default: path.join(ROOT, 'docs/map-abi.md') },
      check: { type: 'boolean', default: false },
    },
  });
  const outDir = positionals.at(-1) ?? path.join(ROOT, 'src/abi');
  const objects = positionals.length > 0 ? positionals.slice(0, -1) : [(await compileProduct()).object];
  const layouts = objects.map((object) => addon.objectLayout(object));
  const header = headerNames(await readFile(values.header, 'utf8'));
  const texts = await generate(layouts, header, { outDir, doc: values.doc });
  const stale = await findStale(texts);
  return values.check ? report(stale) : write(texts, stale);
}

async function findStale(texts: ReadonlyMap<string, string>): Promise<string[]> {
  const stale: string[] = [];
  for (const [file, text] of texts) {
    if ((await readIfThere(file)) !== text) stale.push(file);
  }
  return stale;
}

function report(stale: readonly string[]): number {
  if (stale.length === 0) return 0;
  console.error(`these files are not what bpf/ says now; run make abi and commit them:`);
  for (const file of stale) console.error(`  ${path.relative(process.cwd(), file)}`);
  return 1;
}

async function write(texts: ReadonlyMap<string, string>, stale: readonly string[]): Promise<number> {
  for (const file of stale) {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, texts.get(file) ?? '');
    console.log(`wrote ${path.relative(process.cwd(), file)}`);
  }
  if (stale.length === 0) console.log('all generated files are up to date');
  return 0;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  // Their messages are made for people; a stack would only hide them.
  if (!(error instanceof RulesError || error instanceof ToolchainError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
