// SPDX-License-Identifier: Apache-2.0
// Why bpf(2) may say EPERM, which it says to everything: the kernel does not tell, but what bounds a process can be read.

import { readFileSync } from 'node:fs';

/** The texts of files in /proc and /sys; empty where there is no such file. */
export interface RefusalFacts {
  /** /proc/self/status */
  readonly status: string;
  /** /proc/self/uid_map */
  readonly uidMap: string;
  /** /proc/self/limits */
  readonly limits: string;
  /** /sys/kernel/security/lockdown */
  readonly lockdown: string;
}

/** Bits of capability.h. CAP_SYS_ADMIN stands for CAP_BPF; programs for tc and cgroups want CAP_NET_ADMIN as well. */
const CAPABILITY = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_BPF: 39,
} as const;
const WHOLE_UID_MAP = /^\s*0\s+0\s+4294967295\s*$/;
const SECCOMP_FILTER = '2';

export function readRefusalFacts(): RefusalFacts {
  return {
    status: read('/proc/self/status'),
    uidMap: read('/proc/self/uid_map'),
    limits: read('/proc/self/limits'),
    lockdown: read('/sys/kernel/security/lockdown'),
  };
}

/** In words; all that may be the cause. */
export function whyRefused({ status, uidMap, limits, lockdown }: RefusalFacts): string {
  const lacking = lackingCapabilities(status);
  if (lacking !== '') return `this process has no ${lacking}`;
  if (!WHOLE_UID_MAP.test(uidMap)) return 'this process is root only of its own user namespace';
  const causes: string[] = [];
  const mode = /\[(\w+)\]/.exec(lockdown)?.[1] ?? 'none';
  if (/^Seccomp:\s*(\d)/m.exec(status)?.[1] === SECCOMP_FILTER) causes.push('a seccomp filter that forbids bpf(2)');
  if (mode !== 'none') causes.push(`lockdown=${mode}`);
  const limit = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1] ?? 'unlimited';
  if (limit !== 'unlimited' && !has(status, CAPABILITY.CAP_SYS_RESOURCE)) {
    causes.push(`the limit on locked memory, ${limit} bytes, which only CAP_SYS_RESOURCE may raise`);
  }
  causes.push('a security module');
  return `bpf(2) is forbidden; what can do that here: ${causes.join(', ')}`;
}

/** With that, descriptors of other processes may be taken, unless something else forbids it. */
export function maySeeIntoProcesses({ status }: Pick<RefusalFacts, 'status'>): boolean {
  return has(status, CAPABILITY.CAP_SYS_PTRACE);
}

// --- internal ---

function lackingCapabilities(status: string): string {
  if (has(status, CAPABILITY.CAP_SYS_ADMIN)) return '';
  const bpf = has(status, CAPABILITY.CAP_BPF) ? [] : ['CAP_BPF (before Linux 5.8: CAP_SYS_ADMIN)'];
  const net = has(status, CAPABILITY.CAP_NET_ADMIN) ? [] : ['CAP_NET_ADMIN'];
  return [...bpf, ...net].join(' and no ');
}

function has(status: string, capability: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // An explanation must not fail: what cannot be read explains nothing.
    return '';
  }
}
