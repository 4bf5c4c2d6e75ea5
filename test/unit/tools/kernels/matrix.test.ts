// SPDX-License-Identifier: Apache-2.0
// The matrix of kernels, and what of it is run.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { briefly, parseMatrix, plan } from '../../../../tools/kernels/matrix.ts';

const FILE = path.resolve(import.meta.dirname, '../../../kernels/matrix.yaml');

const TEXT = `
kernels:
  old: { debian: bullseye, series: '5.10' }
  new: { debian: trixie, series: '6.12' }
boots:
  usual: {}
  many: { cpus: 8, kernels: [new] }
suites:
  a: { files: [test/a] }
  b: { files: [test/b], kernels: [new] }
  c: { files: [test/c], boots: [many] }
  d: { files: [test/d], boots: [usual, many], kernels: [new] }
`;

function planned(kernels: string[], suites: string[]): string[] {
  return plan(parseMatrix(TEXT, 'matrix'), kernels, suites).map(
    (run) => `${run.kernel} ${run.boot}: ${run.suites.map(({ name }) => name).join(' ')}`,
  );
}

describe('the plan', () => {
  it('has all kernels and suites when none is named, one VM for those that share a boot', () => {
    expect(planned([], [])).toEqual(['old usual: a', 'new usual: a b d', 'new many: c d']);
  });

  it('has the kernels that are named, in that order', () => {
    expect(planned(['new', 'old'], ['a'])).toEqual(['new usual: a', 'old usual: a']);
  });

  it('has no VM without a suite', () => {
    expect(planned([], ['c'])).toEqual(['new many: c']);
  });

  it('refuses names that the matrix does not have, and tells those that it has', () => {
    expect(() => planned(['6.6'], [])).toThrow('no kernel 6.6; known: old new');
    expect(() => planned([], ['x'])).toThrow('no suite x; known: a b c d');
  });
});

describe('the brief matrix', () => {
  it('has of each suite what is for when time is short: all, some, or nothing', () => {
    const text = TEXT.replace('[test/b]', '[test/b], tests: x, brief: x y').replace(
      '[test/c]',
      '[test/c], brief: false',
    );
    const matrix = briefly(parseMatrix(text, 'matrix'));
    const suites = plan(matrix, ['new'], []).flatMap((run) => run.suites.map(({ name, tests }) => [name, tests]));
    expect(suites).toEqual([
      ['a', undefined],
      ['b', 'x y'],
      ['d', undefined],
      ['d', undefined],
    ]);
  });
});

describe('the matrix', () => {
  it('says what is wrong with it, and where', () => {
    expect(() => parseMatrix(TEXT.replace('cpus: 8', 'cpus: none'), 'matrix.yaml')).toThrow(/matrix\.yaml.*cpus/s);
    expect(() => parseMatrix(TEXT.replace('boots: [many]', 'boots: [few]'), 'matrix.yaml')).toThrow('c: no boot few');
    expect(() => parseMatrix(TEXT.replaceAll('[new]', '[newest]'), 'matrix.yaml')).toThrow('b: no kernel newest');
  });

  it('of the repository is sound', () => {
    const matrix = parseMatrix(readFileSync(FILE, 'utf8'), FILE);
    expect(plan(matrix, [], []).length).toBeGreaterThanOrEqual(Object.keys(matrix.kernels).length);
  });

  it("of the public CI has the repository's kernels", () => {
    const workflow = path.resolve(import.meta.dirname, '../../../../.github/workflows/ci.yml');
    const { jobs } = parse(readFileSync(workflow, 'utf8')) as {
      jobs: { kernels: { strategy: { matrix: { kernel: string[] } } } };
    };
    const { kernels } = parseMatrix(readFileSync(FILE, 'utf8'), FILE);
    expect(jobs.kernels.strategy.matrix.kernel).toEqual(Object.keys(kernels));
  });
});
