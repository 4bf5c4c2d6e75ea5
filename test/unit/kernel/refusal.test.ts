// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { RefusalFacts } from '../../../src/kernel/refusal.ts';
import { readRefusalFacts, whyRefused } from '../../../src/kernel/refusal.ts';

const ALL = 0x1ffffffffffn;
const CAP = { NET_ADMIN: 12n, SYS_ADMIN: 21n, SYS_RESOURCE: 24n, BPF: 39n };

function without(...lost: readonly (keyof typeof CAP)[]): string {
  const mask = lost.reduce((left, name) => left & ~(1n << CAP[name]), ALL);
  return `CapPrm:\t0000000000000000\nCapEff:\t${mask.toString(16).padStart(16, '0')}\nSeccomp:\t0\n`;
}

const root: RefusalFacts = {
  status: without(),
  uidMap: '         0          0 4294967295\n',
  limits: 'Max locked memory         unlimited            unlimited            bytes     \n',
  lockdown: '[none] integrity confidentiality\n',
};

describe('whyRefused', () => {
  it.each<[string, Partial<RefusalFacts>, string]>([
    [
      'rights',
      { status: without('SYS_ADMIN', 'BPF', 'NET_ADMIN') },
      'this process has no CAP_BPF (before Linux 5.8: CAP_SYS_ADMIN) and no CAP_NET_ADMIN',
    ],
    ['one right', { status: without('SYS_ADMIN', 'NET_ADMIN') }, 'this process has no CAP_NET_ADMIN'],
    [
      'a user namespace',
      { uidMap: '         0     100000      65536\n' },
      'this process is root only of its own user namespace',
    ],
    [
      'seccomp',
      { status: without().replace('Seccomp:\t0', 'Seccomp:\t2') },
      'what can do that here: a seccomp filter that forbids bpf(2), a security module',
    ],
    [
      'lockdown',
      { lockdown: 'none integrity [confidentiality]\n' },
      'what can do that here: lockdown=confidentiality, a security module',
    ],
    [
      'a limit that may not be raised',
      {
        status: without('SYS_RESOURCE'),
        limits: 'Max locked memory         65536                65536                bytes     \n',
      },
      'the limit on locked memory, 65536 bytes, which only CAP_SYS_RESOURCE may raise, a security module',
    ],
    ['what cannot be seen', {}, 'what can do that here: a security module'],
  ])('names %s', (_, facts, words) => {
    expect(whyRefused({ ...root, ...facts })).toContain(words);
  });

  it('does not blame CAP_BPF where CAP_SYS_ADMIN stands for it, nor a limit that may be raised', () => {
    const limits = 'Max locked memory         65536                65536                bytes     \n';
    expect(whyRefused({ ...root, limits, status: without('BPF') })).toBe(whyRefused(root));
  });
});

describe('readRefusalFacts', () => {
  it('reads what this kernel has', () => {
    const { status, uidMap, limits } = readRefusalFacts();
    expect(status).toMatch(/^CapEff:\s+[0-9a-f]{16}$/m);
    expect(uidMap).toMatch(/^\s*\d+\s+\d+\s+\d+$/m);
    expect(limits).toMatch(/^Max locked memory\s+(\d+|unlimited)\s/m);
  });
});
