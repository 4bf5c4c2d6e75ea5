// SPDX-License-Identifier: Apache-2.0
// node tools/kernels/record-instructions.ts KERNEL FILE [KERNEL FILE ...]
// Writes into test/kernels/instructions.json what the suite `load` has counted on kernels of the matrix; FILE is the
// instructions.json among its results.

import { readFileSync, writeFileSync } from 'node:fs';
import type { Counts } from '../../test/kernels/instructions.ts';
import { readRecord, RECORD, withCounts } from '../../test/kernels/instructions.ts';

const args = process.argv.slice(2);
let record = readRecord();
for (let at = 0; at + 1 < args.length; at += 2) {
  const [kernel = '', file = ''] = args.slice(at, at + 2);
  record = withCounts(record, kernel, JSON.parse(readFileSync(file, 'utf8')) as Counts);
}
writeFileSync(RECORD, `${JSON.stringify(record, undefined, 2)}\n`);
