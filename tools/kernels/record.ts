// SPDX-License-Identifier: Apache-2.0
// Writes into test/kernels/instructions.json what the suite `load` has counted on kernels of the matrix.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Counts, readRecord, RECORD, withCounts } from '../../test/kernels/instructions.ts';
import { HarnessError } from './errors.ts';
import type { RunResult } from './results.ts';

export async function recordCounts(results: readonly RunResult[]): Promise<void> {
  let record = readRecord();
  for (const { kernel, directory } of results) {
    const text = await readFile(path.join(directory, 'results/instructions.json'), 'utf8').catch(() => undefined);
    if (text === undefined)
      throw new HarnessError(`nothing to record: on ${kernel} the suite load has counted nothing`);
    record = withCounts(record, kernel, JSON.parse(text) as Counts);
  }
  await writeFile(RECORD, `${JSON.stringify(record, undefined, 2)}\n`);
}
