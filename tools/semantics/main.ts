// SPDX-License-Identifier: Apache-2.0
// node tools/semantics/main.ts [--check]
// Writes docs/semantics.md from the rules in test/semantics/cases; --check writes nothing and fails where it differs.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { TOPICS } from '../../test/semantics/cases/index.ts';
import { emitSemantics } from './emit.ts';

const FILE = path.resolve(import.meta.dirname, '../../docs/semantics.md');

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const options = await resolveConfig(FILE);
  const text = await format(emitSemantics(TOPICS), { ...options, filepath: FILE });
  if (text === (await readFile(FILE, 'utf8').catch(() => ''))) return 0;
  const name = path.relative(process.cwd(), FILE);
  if (values.check) {
    console.error(`${name} is not what test/semantics/cases says now; run make semantics and commit it`);
    return 1;
  }
  await writeFile(FILE, text);
  console.log(`wrote ${name}`);
  return 0;
}

process.exitCode = await main();
