// SPDX-License-Identifier: Apache-2.0
// What bpfsvc wants of the kernel, whether this one has it, and what takes its place. `bpfsvc check` prints the table,
// the datapath is configured by a part of it. Answers come from probes.ts, never from a version.

import { access, readFile } from 'node:fs/promises';
import { addon } from './addon.ts';
import { ATTACH_TYPE, MAP_TYPE, PROGRAM_TYPE } from './constants.ts';
import { findBpffs, findCgroup2 } from './mounts.ts';
import * as probes from './probes.ts';

export interface Answer {
  readonly ok: boolean;
  /** Where, how, or why not; may be empty. */
  readonly detail: string;
}

export interface Feature {
  readonly id: string;
  readonly what: string;
  readonly needed: 'required' | 'preferred';
  /** The first kernel that has it, for people; nothing is decided by it. */
  readonly since: string;
  /** What is used instead, or, where it is required, what the operator does. */
  readonly fallback: string;
  probe(): Answer | Promise<Answer>;
}

export interface FeatureReport {
  readonly id: string;
  readonly state: 'native' | 'fallback' | 'missing';
  readonly detail: string;
  /** What the datapath or agent works with on this machine; empty when missing. */
  readonly uses: string;
}

export interface DatapathFeatures {
  readonly tcx: boolean;
  readonly setRetval: boolean;
  readonly coarseClock: boolean;
  /** Programs can read it. Whether the agent can, too (SO_NETNS_COOKIE), is another question: without, only the initial
   * namespace can be told from others. */
  readonly netnsCookie: boolean;
  readonly getpeername: boolean;
  readonly sockRelease: boolean;
}

/** Quick: it stands in the way of every start. */
export function probeDatapathFeatures(): DatapathFeatures {
  return {
    tcx: probes.hasTcx(),
    setRetval: probes.helperInConnect(probes.HELPER.setRetval),
    coarseClock: probes.helperInTc(probes.HELPER.ktimeGetCoarseNs),
    netnsCookie: probes.helperInConnect(probes.HELPER.getNetnsCookie),
    getpeername: probes.hookExists(PROGRAM_TYPE.CGROUP_SOCK_ADDR, ATTACH_TYPE.CGROUP_INET4_GETPEERNAME),
    sockRelease: probes.hookExists(PROGRAM_TYPE.CGROUP_SOCK, ATTACH_TYPE.CGROUP_INET_SOCK_RELEASE),
  };
}

export const FEATURES: readonly Feature[] = [
  {
    id: 'cgroup2',
    what: 'cgroup v2 mounted',
    needed: 'required',
    since: 'Linux 4.5',
    fallback: 'mount it: mount -t cgroup2 none /sys/fs/cgroup',
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
    id: 'btf',
    what: 'BTF of the kernel (/sys/kernel/btf/vmlinux)',
    needed: 'required',
    since: 'Linux 5.4',
    fallback: 'run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian and all large distributions ship it',
    probe: async () => answer(await isReadable('/sys/kernel/btf/vmlinux')),
  },
  {
    id: 'jit',
    what: 'BPF programs compiled to machine code',
    needed: 'preferred',
    since: 'Linux 3.0',
    fallback: 'the interpreter, several times slower; switch it on: sysctl net.core.bpf_jit_enable=1',
    probe: () => answer(probes.isJited()),
  },
  {
    id: 'mmapable-array',
    what: 'arrays that are memory of the agent too',
    needed: 'required',
    since: 'Linux 5.5',
    fallback: 'run Linux 5.10 or later',
    probe: () => answer(probes.hasMmapableArrays()),
  },
  {
    id: 'mmapable-inner-array',
    what: 'such arrays inside a map of maps',
    needed: 'required',
    since: 'Linux 5.5',
    fallback: 'run Linux 5.10 or later',
    probe: () => answer(probes.hasMmapableInnerArrays()),
  },
  {
    id: 'batch',
    what: 'map operations in batches',
    needed: 'required',
    since: 'Linux 5.6',
    fallback: 'run Linux 5.10 or later',
    probe: () => answer(probes.hasBatchOperations()),
  },
  {
    id: 'cgroup-link',
    what: 'links to cgroups',
    needed: 'required',
    since: 'Linux 5.7',
    fallback: 'run Linux 5.10 or later',
    probe: () => answer(probes.hasCgroupLinks()),
  },
  {
    id: 'redirect-neigh',
    what: 'forwarding with neighbour resolution (bpf_redirect_neigh)',
    needed: 'required',
    since: 'Linux 5.10',
    fallback: 'run Linux 5.10 or later',
    probe: () => answer(probes.helperInTc(probes.HELPER.redirectNeigh)),
  },
  {
    id: 'tcx',
    what: 'links to tc ingress and egress (tcx)',
    needed: 'preferred',
    since: 'Linux 6.6',
    fallback: 'a clsact qdisc and filters',
    probe: () => answer(probes.hasTcx()),
  },
  {
    id: 'xdp-link',
    what: 'links to XDP',
    needed: 'preferred',
    since: 'Linux 5.9',
    fallback: 'tc alone',
    probe: () => answer(probes.hasXdpLinks()),
  },
  {
    id: 'set-retval',
    what: 'an error of choice at connect (bpf_set_retval)',
    needed: 'preferred',
    since: 'Linux 5.18',
    fallback: 'EPERM instead of ECONNREFUSED where a Service has no backend',
    probe: () => answer(probes.helperInConnect(probes.HELPER.setRetval)),
  },
  {
    id: 'getpeername',
    what: 'getpeername hooks',
    needed: 'preferred',
    since: 'Linux 5.8',
    fallback: "getpeername shows the backend's address",
    probe: () => answer(probes.hookExists(PROGRAM_TYPE.CGROUP_SOCK_ADDR, ATTACH_TYPE.CGROUP_INET4_GETPEERNAME)),
  },
  {
    id: 'sock-release',
    what: 'hook at the end of a socket',
    needed: 'preferred',
    since: 'Linux 5.9',
    fallback: 'rows of closed sockets leave their map when it is full',
    probe: () => answer(probes.hookExists(PROGRAM_TYPE.CGROUP_SOCK, ATTACH_TYPE.CGROUP_INET_SOCK_RELEASE)),
  },
  {
    id: 'sk-storage',
    what: 'socket storage in sock_addr programs',
    needed: 'preferred',
    since: 'Linux 5.3',
    fallback: 'a map by socket cookie',
    probe: () => answer(probes.helperInConnect(probes.HELPER.skStorageGet)),
  },
  {
    id: 'netns-cookie-helper',
    what: 'network namespace seen by sock_addr programs (bpf_get_netns_cookie)',
    needed: 'preferred',
    since: 'Linux 5.7',
    fallback: 'no namespace can opt out of translation at connect',
    probe: () => answer(probes.helperInConnect(probes.HELPER.getNetnsCookie)),
  },
  {
    id: 'netns-cookie-socket',
    what: 'network namespace seen by the agent (SO_NETNS_COOKIE)',
    needed: 'preferred',
    since: 'Linux 5.14',
    fallback: 'no namespace can opt out of translation at connect',
    probe: () => answer(addon.netnsCookie() !== undefined),
  },
  {
    id: 'coarse-clock',
    what: 'cheap clock in tc programs (bpf_ktime_get_coarse_ns)',
    needed: 'preferred',
    since: 'Linux 5.11',
    fallback: 'bpf_ktime_get_ns',
    probe: () => answer(probes.helperInTc(probes.HELPER.ktimeGetCoarseNs)),
  },
  {
    id: 'redirect-peer',
    what: 'straight to the other end of a veth pair (bpf_redirect_peer)',
    needed: 'preferred',
    since: 'Linux 5.10',
    fallback: "the host's stack",
    probe: () => answer(probes.helperInTc(probes.HELPER.redirectPeer)),
  },
  {
    id: 'check-mtu',
    what: 'MTU of a link in tc programs (bpf_check_mtu)',
    needed: 'preferred',
    since: 'Linux 5.12',
    fallback: 'the MTU that the agent writes into a map',
    probe: () => answer(probes.helperInTc(probes.HELPER.checkMtu)),
  },
  {
    id: 'ring-buffer',
    what: 'ring buffer for events',
    needed: 'preferred',
    since: 'Linux 5.8',
    fallback: 'no events',
    probe: () => answer(addon.probeMapType(MAP_TYPE.RINGBUF)),
  },
  {
    id: 'sock-destroy',
    what: 'sockets ended by a program (bpf_sock_destroy)',
    needed: 'preferred',
    since: 'Linux 6.5',
    fallback: 'SOCK_DESTROY by netlink',
    probe: () => answer(addon.kernelHasFunction('bpf_sock_destroy')),
  },
  {
    id: 'memcg',
    what: 'map memory charged to the cgroup',
    needed: 'preferred',
    since: 'Linux 5.11',
    fallback: 'the limit on locked memory (RLIMIT_MEMLOCK) is raised',
    probe: () => answer(addon.probeMemcgAccounting()),
  },
  {
    id: 'unprivileged-bpf',
    what: 'BPF closed to unprivileged users',
    needed: 'preferred',
    since: 'Linux 4.4',
    fallback: 'left as it is; close it: sysctl kernel.unprivileged_bpf_disabled=1',
    probe: async () => {
      const value = await readLine('/proc/sys/kernel/unprivileged_bpf_disabled');
      return { ok: value !== '0', detail: value === undefined ? '' : `kernel.unprivileged_bpf_disabled=${value}` };
    },
  },
  {
    id: 'lockdown',
    what: 'kernel lockdown that leaves BPF alone',
    needed: 'preferred',
    since: 'Linux 5.4',
    fallback: 'as usual; only tracing programs are refused, and there are none',
    probe: async () => {
      const mode = /\[(\w+)\]/.exec((await readLine('/sys/kernel/security/lockdown')) ?? '[none]')?.[1];
      return { ok: mode !== 'confidentiality', detail: mode ?? '' };
    },
  },
];

/** One report for each of FEATURES, in their order. A probe that fails counts as a no, with the reason as its detail. */
export async function probeFeatures(features: readonly Feature[] = FEATURES): Promise<FeatureReport[]> {
  const reports: FeatureReport[] = [];
  // One after the other: some of them change limits or make namespaces for a moment.
  for (const feature of features) reports.push(toReport(feature, await ask(feature)));
  return reports;
}

// --- internal ---

function toReport(feature: Feature, { ok, detail }: Answer): FeatureReport {
  if (ok) return { id: feature.id, state: 'native', detail, uses: feature.what };
  const reason = detail === '' ? `not in this kernel; came with ${feature.since}` : detail;
  if (feature.needed === 'preferred')
    return { id: feature.id, state: 'fallback', detail: reason, uses: feature.fallback };
  return { id: feature.id, state: 'missing', detail: `${reason}; ${feature.fallback}`, uses: '' };
}

async function ask(feature: Feature): Promise<Answer> {
  try {
    return await feature.probe();
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function answer(ok: boolean): Answer {
  return { ok, detail: '' };
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
