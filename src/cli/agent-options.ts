// SPDX-License-Identifier: Apache-2.0
// From the flags of `bpfsvc run` and its configuration file to what the agent is told. Flags win; what neither says has
// a default here.

import type { AgentOptions } from '../agent/options.ts';
import { DEFAULT_TIMEOUTS } from '../reconcile/sweeper.ts';
import { DEFAULT_NODE_PORTS, parsePortRange } from '../sources/manifests/port-range.ts';

/** As the command line gives them. */
export interface RunFlags {
  readonly manifests?: readonly string[];
  readonly nodeName?: string;
  readonly bpffs?: string;
  readonly cgroup?: string;
  readonly devices?: readonly string[];
  readonly podDevices?: readonly string[];
  readonly serviceCidr?: readonly string[];
  readonly serviceNodePortRange?: string;
  readonly optOutNetns?: readonly string[];
  readonly objects?: string;
}

export const DEFAULT_BPFFS = '/sys/fs/bpf';
const LARGEST_TABLE = 131_071;

export function agentOptions(flags: RunFlags, hostname: string): AgentOptions {
  const range = flags.serviceNodePortRange;
  const ports = range === undefined ? DEFAULT_NODE_PORTS : parsePortRange(range);
  return {
    manifests: flags.manifests ?? [],
    nodeName: flags.nodeName ?? hostname.toLowerCase(),
    bpffs: flags.bpffs ?? DEFAULT_BPFFS,
    cgroup: flags.cgroup,
    devices: flags.devices ?? [],
    podDevices: flags.podDevices ?? [],
    serviceCidrs: flags.serviceCidr ?? [],
    serviceNodePortRange: [ports.first, ports.last],
    optOutNetns: flags.optOutNetns ?? [],
    nodePortAddresses: [],
    tableCap: LARGEST_TABLE,
    flowEntries: undefined,
    timeouts: DEFAULT_TIMEOUTS,
    objects: flags.objects,
  };
}
