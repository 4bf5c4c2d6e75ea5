// SPDX-License-Identifier: Apache-2.0
// From the flags of `bpfsvc run` and its configuration file to what the agent is told. Flags win; what neither says has
// a default here. Pure.

import type { NodePortPolicy } from '../agent/node-port-addresses.ts';
import type { AgentOptions } from '../agent/options.ts';
import type { Settings } from '../config/settings.ts';
import { parsePrefix } from '../net/prefix.ts';
import { DEFAULT_ALGORITHM } from '../plan/algorithm.ts';
import { TABLE_SIZES } from '../plan/maglev.ts';
import { DEFAULT_TIMEOUTS } from '../reconcile/sweeper.ts';
import { DEFAULT_NODE_PORTS, parsePortRange } from '../sources/manifests/port-range.ts';
import { parseServiceCidrs } from '../sources/manifests/service-cidrs.ts';
import { DEFAULT_BPFFS } from './defaults.ts';
import { UsageError } from './usage-error.ts';

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

export function agentOptions(flags: RunFlags, settings: Settings, hostname: string): AgentOptions {
  const range = flags.serviceNodePortRange ?? settings.serviceNodePortRange;
  const ports = range === undefined ? DEFAULT_NODE_PORTS : parsePortRange(range);
  const serviceCidrs = flags.serviceCidr ?? settings.serviceCidrs ?? [];
  const manifests = flags.manifests ?? settings.manifests ?? [];
  // An agent without a source would take every Service away.
  if (manifests.length === 0) throw new UsageError('nothing to follow; name a file or directory with --manifests');
  return {
    manifests,
    nodeName: flags.nodeName ?? settings.nodeName ?? hostname.toLowerCase(),
    bpffs: flags.bpffs ?? settings.bpffs ?? DEFAULT_BPFFS,
    cgroup: flags.cgroup ?? settings.cgroup,
    devices: flags.devices ?? settings.devices ?? [],
    podDevices: flags.podDevices ?? settings.podDevices ?? [],
    detectLocal: settings.detectLocal,
    masqueradeAll: settings.masqueradeAll,
    algorithm: settings.algorithm ?? DEFAULT_ALGORITHM,
    serviceCidrs: serviceCidrs.length === 0 ? [] : parseServiceCidrs(serviceCidrs.join(',')),
    serviceNodePortRange: [ports.first, ports.last],
    optOutNetns: flags.optOutNetns ?? settings.optOutNetns ?? [],
    nodePortAddresses: nodePortPolicy(settings),
    tableCap: settings.tableCap ?? Math.max(...TABLE_SIZES),
    flowEntries: settings.flowEntries,
    timeouts: { ...DEFAULT_TIMEOUTS, ...settings.timeouts },
    objects: flags.objects ?? settings.objects,
  };
}

// --- internal ---

function nodePortPolicy({ nodePortAddresses, bindAddress }: Settings): NodePortPolicy {
  if (nodePortAddresses === 'primary') return { primary: bindAddress };
  return { prefixes: nodePortAddresses.flatMap((text) => parsePrefix(text) ?? []) };
}
