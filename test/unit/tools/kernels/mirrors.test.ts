// SPDX-License-Identifier: Apache-2.0
// The machine's mirror, and the sources of another suite on it.

import { describe, expect, it } from 'vitest';
import { mirrorsFrom, sourcesList } from '../../../../tools/kernels/mirrors.ts';

const MAIN = 'http://mirror.example/debian';
const SECURITY = 'http://mirror.example/debian-security';

describe('the mirror of the machine', () => {
  it('is where its own release comes from', () => {
    const targets = [
      'http://other.example/node nodistro main',
      `${MAIN}/ bookworm main`,
      `${MAIN}/ bookworm-updates main`,
      `${SECURITY}/ bookworm-security main`,
    ];
    expect(mirrorsFrom(targets.join('\n'))).toEqual({ main: MAIN, security: SECURITY });
  });

  it('is taken to have security updates beside it when the machine has none configured', () => {
    expect(mirrorsFrom(`${MAIN}/ trixie main`)).toEqual({ main: MAIN, security: SECURITY });
  });

  it('is not there on a machine that is no Debian', () => {
    expect(mirrorsFrom('http://mirror.example/ubuntu noble main\n')).toBeUndefined();
  });
});

describe('the sources of a suite', () => {
  const lines = (suite: string): string[] =>
    sourcesList(suite, { main: MAIN, security: SECURITY })
      .trim()
      .split('\n')
      .map((line) => line.replace(/\[.*?\] /, ''));

  it('are the suite and its security updates', () => {
    expect(lines('bullseye')).toEqual([`deb ${MAIN} bullseye main`, `deb ${SECURITY} bullseye-security main`]);
  });

  it('are backports alone, which have no security updates', () => {
    expect(lines('trixie-backports')).toEqual([`deb ${MAIN} trixie-backports main`]);
  });
});
