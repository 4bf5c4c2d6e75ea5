// SPDX-License-Identifier: Apache-2.0
// `bpfsvc check` against the table of what each kernel of the matrix has; in the matrix (BPFSVC_KERNEL) it is run.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { FeatureReport } from '../../src/kernel/features.ts';
import { FEATURES } from '../../src/kernel/features.ts';
import { run } from '../support/command.ts';

const KERNEL = process.env['BPFSVC_KERNEL'];
const RESULTS = process.env['BPFSVC_RESULTS'];
/** A boot of the matrix. */
const LOCKED_DOWN = readFileSync('/proc/cmdline', 'utf8').includes('lockdown=confidentiality');
const BPFSVC = path.resolve(import.meta.dirname, '../../bin/bpfsvc');

type Row = Readonly<Record<string, string>>;
type Table = Readonly<Record<string, Row>>;

function read(file: string): unknown {
  return parse(readFileSync(path.join(import.meta.dirname, file), 'utf8'));
}

const expected = read('expected-check.yaml') as Table;

describe('the table of features', () => {
  it('knows the kernels of the matrix, and no others', () => {
    const { kernels } = read('matrix.yaml') as { kernels: object };
    expect(Object.keys(expected)).toEqual(Object.keys(kernels));
  });

  it('knows of each feature what can be said of it', () => {
    const words = new Map(
      FEATURES.map(({ id, needed }) => [id, needed === 'unused' ? ['absent'] : ['fallback', 'refused']]),
    );
    const wrong = Object.entries(expected).flatMap(([kernel, row]) =>
      Object.entries(row)
        .filter(([id, word]) => words.get(id)?.includes(word) !== true)
        .map((cell) => [kernel, ...cell]),
    );
    expect(wrong).toEqual([]);
  });
});

if (KERNEL !== undefined) {
  describe(`bpfsvc check on Linux ${KERNEL}`, () => {
    it('says what the table says', async () => {
      const text = await run(BPFSVC, ['check', '-o', 'json']);
      if (RESULTS !== undefined) writeFileSync(path.join(RESULTS, 'check.json'), text);
      const { features } = JSON.parse(text) as { features: FeatureReport[] };
      const row: Row = { ...expected[KERNEL], ...(LOCKED_DOWN ? { lockdown: 'absent' } : {}) };
      const wanted = FEATURES.map(({ id, needed }) => [id, row[id] ?? (needed === 'unused' ? 'present' : 'native')]);
      const said = features.map(({ id, state, probed }) => [id, state === 'unused' ? PROBED[probed] : state]);
      expect(said).toEqual(wanted);
    });
  });
}

const PROBED = { yes: 'present', no: 'absent', unknown: 'unknown' } as const;
