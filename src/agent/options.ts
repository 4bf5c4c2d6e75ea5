// SPDX-License-Identifier: Apache-2.0
// What an agent is told, after flags and configuration files have been read and checked.

import type { Prefix } from '../net/prefix.ts';
import type { DetectLocal } from '../config/settings.ts';
import type { Algorithm } from '../plan/algorithm.ts';
import type { FlowTimeouts } from '../reconcile/sweeper.ts';
import type { NodePortPolicy } from './node-port-addresses.ts';

export interface AgentOptions {
  /** Files and directories with Kubernetes YAML. */
  readonly manifests: readonly string[];
  readonly nodeName: string;
  /** A directory; a BPF file system is mounted on it when it is not on one. */
  readonly bpffs: string;
  /** A cgroup v2 directory; undefined: the root of the mounted hierarchy. */
  readonly cgroup: string | undefined;
  /** Patterns of uplinks; empty: those with a default route. */
  readonly devices: readonly string[];
  /** Patterns of devices behind which pods are served by packet. */
  readonly podDevices: readonly string[];
  readonly detectLocal: DetectLocal;
  /** Every client of a ClusterIP that comes by packet is hidden behind this node's address. */
  readonly masqueradeAll: boolean;
  /** Of Services that ask for none. */
  readonly algorithm: Algorithm;
  /** At most one of each family; the first is preferred. */
  readonly serviceCidrs: readonly Prefix[];
  /** First and last. */
  readonly serviceNodePortRange: readonly [number, number];
  /** Paths of network namespaces whose sockets are left alone; may hold globs. */
  readonly optOutNetns: readonly string[];
  readonly nodePortAddresses: NodePortPolicy;
  /** Largest Maglev table. */
  readonly tableCap: number;
  /** Rows of the IPv4 flow table; undefined: the map's default. */
  readonly flowEntries: number | undefined;
  readonly timeouts: FlowTimeouts;
  /** Directory of bpfsvc.bpf.o; undefined: beside the program. */
  readonly objects: string | undefined;
}

/** Source ports towards backends on other nodes: the dynamic range of RFC 6335. */
export const SNAT_PORTS = { first: 49_152, last: 65_535 } as const;
