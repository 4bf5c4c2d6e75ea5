// SPDX-License-Identifier: Apache-2.0
// Pure: what the programs are told of this host, from what the kernel, the Node object and the options say.

import type { DetectLocal } from '../config/settings.ts';
import type { HostRules, InterfaceRoles } from '../datapath/host-maps.ts';
import type { Node } from '../model/types.ts';
import type { Address, Family } from '../net/ip.ts';
import { family } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { overlap, parsePrefix } from '../net/prefix.ts';
import type { HostState, Iface } from '../sources/links.ts';
import { deviceMatcher } from '../sources/links.ts';
import type { AgentOptions } from './options.ts';

export type HostViewOptions = Pick<AgentOptions, 'podDevices' | 'detectLocal' | 'masqueradeAll'>;

export interface HostView {
  readonly rules: HostRules;
  readonly roles: InterfaceRoles;
  /** Who has doors: uplinks, and what leads to pods that are served by packet. */
  readonly doors: readonly Iface[];
}

const ARPHRD_LOOPBACK = 772;
const FAMILIES: readonly Family[] = [4, 6];

/** node: undefined until its object is known. */
export function hostView(options: HostViewOptions, state: HostState, node: Node | undefined): HostView {
  const { podDevices, detectLocal, masqueradeAll } = options;
  const uplinks = new Set(state.uplinks.map(({ ifindex }) => ifindex));
  const others = state.ifaces.filter(({ ifindex, arphrd }) => !uplinks.has(ifindex) && arphrd !== ARPHRD_LOOPBACK);
  const pods = named(others, podDevices.join(','));
  const localPods = detectLocal.mode === 'interface' ? named(state.ifaces, detectLocal.devices) : [];
  return {
    rules: {
      node: nodeAddresses(state, node),
      localPods: podPrefixes(detectLocal, node),
      podSocketsLocal: podSocketsLocal(detectLocal, node),
      localByInterface: detectLocal.mode === 'interface',
      podDevices: pods.length > 0,
      masqueradeAll,
    },
    roles: { uplinks, pods: indexes(pods), localPods: indexes(localPods) },
    doors: [...state.uplinks, ...pods],
  };
}

/** The first of each family, as its object lists them; without one the uplink's. */
function nodeAddresses(state: HostState, node: Node | undefined): Partial<Record<Family, Address>> {
  const [uplink] = state.uplinks;
  const first = (of: Family, otherwise: Address | undefined): Address | undefined =>
    node?.addresses.find((address) => family(address) === of) ?? otherwise;
  const [four, six] = [first(4, uplink?.address4), first(6, uplink?.address6)];
  return { ...(four === undefined ? {} : { 4: four }), ...(six === undefined ? {} : { 6: six }) };
}

/** Where this node's pods have their addresses, as far as the configuration says. */
export function podPrefixes(detectLocal: DetectLocal, node: Node | undefined): Prefix[] {
  switch (detectLocal.mode) {
    case 'cluster':
      return [...detectLocal.prefixes];
    case 'node':
      return podCidrs(node);
    case 'interface':
      return [];
  }
}

function podCidrs(node: Node | undefined): Prefix[] {
  return (node?.podCIDRs ?? []).flatMap((text) => parsePrefix(text) ?? []);
}

/** A socket does not show its address yet. Those of pods are taken for the ones that the Node object tells of; where it
 * tells of none, the configuration is believed. */
function podSocketsLocal(detectLocal: DetectLocal, node: Node | undefined): ReadonlySet<Family> {
  if (detectLocal.mode === 'interface') return new Set(FAMILIES);
  const local = podPrefixes(detectLocal, node);
  return new Set(
    FAMILIES.filter((of) => {
      const [known, own] = [local, podCidrs(node)].map((prefixes) => prefixes.filter(({ family }) => family === of));
      if (known === undefined || own === undefined) return false;
      return (
        known.length > 0 && (own.length === 0 || own.some((pods) => known.some((prefix) => overlap(prefix, pods))))
      );
    }),
  );
}

function named(ifaces: readonly Iface[], devices: string): Iface[] {
  const matches = deviceMatcher(devices);
  return ifaces.filter(({ name }) => matches(name));
}

function indexes(ifaces: readonly Iface[]): ReadonlySet<number> {
  return new Set(ifaces.map(({ ifindex }) => ifindex));
}
