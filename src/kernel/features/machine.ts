// SPDX-License-Identifier: Apache-2.0
// How this machine is set up for BPF: rights, file systems, limits, switches.

import { access, readFile } from 'node:fs/promises';
import { addon } from '../addon.ts';
import { findBpffs, findCgroup2 } from '../mounts.ts';
import * as probes from '../probes.ts';
import { maySeeIntoProcesses, readRefusalFacts, whyRefused } from '../refusal.ts';
import { whyNotTaken } from '../udp-sockets.ts';
import type { Answer, Feature } from './feature.ts';
import { answer } from './feature.ts';

export const MACHINE_FEATURES: readonly Feature[] = [
  {
    id: 'bpf',
    what: 'the right to load BPF programs',
    needed: 'required',
    since: 'Linux 4.4',
    remedy: 'run bpfsvc as root in the initial user namespace, in a container as a privileged one',
    probe: mayLoad,
  },
  {
    id: 'cgroup2',
    what: 'cgroup v2 mounted',
    needed: 'required',
    since: 'Linux 4.5',
    remedy: 'mount it, beside cgroup v1 too: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2',
    probe: () => mountedAt(findCgroup2()),
  },
  {
    id: 'bpffs',
    what: 'BPF file system mounted',
    needed: 'preferred',
    since: 'Linux 4.4',
    fallback: 'the agent mounts one on its --bpffs directory',
    probe: () => mountedAt(findBpffs()),
  },
  {
    id: 'memcg',
    what: 'map memory charged to the cgroup',
    needed: 'preferred',
    since: 'Linux 5.11',
    fallback: 'the limit on locked memory (RLIMIT_MEMLOCK) is raised',
    probe: () => answer(addon.probeMapMemory() === 'cgroup'),
    substitute: {
      remedy: 'start bpfsvc with CAP_SYS_RESOURCE, or without that limit: ulimit -l unlimited, LimitMEMLOCK=infinity',
      probe: () => answer(addon.probeMapMemory() !== 'fixed', 'the limit on locked memory may not be raised'),
    },
  },
  {
    id: 'take-sockets',
    what: 'UDP sockets of other processes taken over (pidfd_getfd)',
    needed: 'preferred',
    since: 'Linux 5.6',
    fallback: 'UDP sockets whose backend ceases to serve are ended; give CAP_SYS_PTRACE and the host PID namespace',
    probe: mayTakeSockets,
  },
  {
    id: 'jit',
    what: 'BPF programs compiled to machine code',
    needed: 'preferred',
    since: 'Linux 3.0',
    fallback: 'the interpreter, several times slower; switch it on: sysctl net.core.bpf_jit_enable=1',
    probe: async () => {
      const value = await readLine('/proc/sys/net/core/bpf_jit_enable');
      return answer(probes.isJited(), value === undefined ? '' : `net.core.bpf_jit_enable=${value}`);
    },
  },
  {
    id: 'unprivileged-bpf',
    what: 'BPF closed to unprivileged users',
    needed: 'preferred',
    since: 'Linux 4.4',
    fallback: 'left as it is; close it: sysctl kernel.unprivileged_bpf_disabled=1',
    probe: async () => {
      const value = await readLine('/proc/sys/kernel/unprivileged_bpf_disabled');
      return answer(value !== '0', value === undefined ? '' : `kernel.unprivileged_bpf_disabled=${value}`);
    },
  },
  {
    id: 'lockdown',
    what: 'kernel memory read by programs (not under lockdown=confidentiality)',
    needed: 'unused',
    since: 'Linux 5.5',
    instead: 'nothing: programs read packets, sockets and maps',
    probe: async () => {
      const mode = /\[(\w+)\]/.exec((await readLine('/sys/kernel/security/lockdown')) ?? '')?.[1];
      return answer(probes.helperInTc(probes.HELPER.probeReadKernel), mode === undefined ? '' : `lockdown=${mode}`);
    },
  },
  {
    id: 'btf',
    what: 'BTF of the kernel (/sys/kernel/btf/vmlinux)',
    needed: 'unused',
    since: 'Linux 5.4',
    instead: 'nothing: programs bring the types that they need',
    probe: async () => answer(await isReadable('/sys/kernel/btf/vmlinux'), ''),
  },
];

// --- internal ---

function mayLoad(): Answer {
  try {
    return answer(probes.loads());
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error;
    return answer(false, whyRefused(readRefusalFacts()));
  }
}

const YAMA = '/proc/sys/kernel/yama/ptrace_scope';
const NOBODY = '3';

/** Of this process itself; what keeps it from others' is asked for apart. */
async function mayTakeSockets(): Promise<Answer> {
  const code = await whyNotTaken(addon);
  if (code !== '') return answer(false, code);
  if (!maySeeIntoProcesses(readRefusalFacts())) return answer(false, 'no CAP_SYS_PTRACE');
  const scope = await readLine(YAMA);
  return scope === NOBODY ? answer(false, `kernel.yama.ptrace_scope=${scope}`) : answer(true);
}

function mountedAt(point: string | undefined): Answer {
  return { ok: point !== undefined, detail: point ?? 'not mounted' };
}

async function isReadable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Undefined: this kernel has no such file. */
async function readLine(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
