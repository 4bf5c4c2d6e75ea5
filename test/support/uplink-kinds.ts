// SPDX-License-Identifier: Apache-2.0
// Kinds of network devices by which a host may be reached, each as `ip` makes it at both of its ends. Data; what travels
// over them is the tests' business.

import type { DualStack, Family } from './address-plan.ts';

export interface UplinkKind {
  readonly name: string;
  readonly families: readonly Family[];
  /** What joins both ends before, of the same name at both, and up. Tunnels need none. */
  readonly wires?: Wires;
  /** Lines that make it at one end. */
  readonly device: (name: string, ends: Ends) => readonly string[];
}

export interface Wires {
  readonly type: 'veth' | 'netkit';
  /** `port*` are to be uplinks as well. */
  readonly names: readonly string[];
}

/** Addresses by which both ends reach each other already. */
export interface Ends {
  readonly local: DualStack;
  readonly remote: DualStack;
}

export const UPLINK_KINDS: readonly UplinkKind[] = [
  { name: 'veth', families: [4, 6], wires: { type: 'veth', names: ['wire1'] }, device: renamed },
  {
    name: 'vlan',
    families: [4, 6],
    wires: { type: 'veth', names: ['wire1'] },
    device: (name) => [`link add link wire1 name ${name} type vlan id 42`],
  },
  {
    name: 'vlan on an uplink',
    families: [4, 6],
    wires: { type: 'veth', names: ['port1'] },
    device: (name) => [`link add link port1 name ${name} type vlan id 42`],
  },
  {
    name: 'bond',
    families: [4, 6],
    wires: { type: 'veth', names: ['wire1', 'wire2'] },
    device: (name) => bonded(name, ['wire1', 'wire2']),
  },
  {
    name: 'bond of uplinks',
    families: [4, 6],
    wires: { type: 'veth', names: ['port1', 'port2'] },
    device: (name) => bonded(name, ['port1', 'port2']),
  },
  { name: 'netkit', families: [4, 6], wires: { type: 'netkit', names: ['wire1'] }, device: renamed },
  {
    name: 'vxlan',
    families: [4, 6],
    device: (name, { remote }) => [`link add ${name} type vxlan id 42 dstport 4789 remote ${remote.v4}`],
  },
  {
    name: 'geneve',
    families: [4, 6],
    device: (name, { remote }) => [`link add ${name} type geneve id 42 remote ${remote.v4}`],
  },
  {
    name: 'ipip',
    families: [4],
    device: (name, { local, remote }) => [`link add ${name} type ipip local ${local.v4} remote ${remote.v4}`],
  },
  {
    name: 'ip6tnl',
    families: [4, 6],
    device: (name, { local, remote }) => [
      `link add ${name} type ip6tnl mode any local ${local.v6} remote ${remote.v6} encaplimit none`,
    ],
  },
];

/** Lines that make one wire between the namespace that they run in and another one, which may be the same. */
export function wireLines(type: Wires['type'], near: string, far: string, netns?: string): string[] {
  const there = netns === undefined ? '' : `netns ${netns} `;
  if (type === 'veth') return [`link add ${near} type veth peer name ${far} ${there}`];
  // iproute2 before 6.8 knows netkit by its name alone; the kernel calls the peer nk0.
  return [`link add ${near} type netkit`, `link set nk0 ${there}name ${far}`];
}

/** A shell script that makes one, both ends in the namespace that it runs in. */
export function uplinkProbe({ wires, device }: UplinkKind): string {
  const ends = {
    local: { v4: '192.0.2.1', v6: '2001:db8::1' },
    remote: { v4: '192.0.2.2', v6: '2001:db8::2' },
  };
  const joined = (wires?.names ?? []).flatMap((name) => wireLines(wires?.type ?? 'veth', name, `other-${name}`));
  const lines = [...joined, ...device('probe', ends)];
  return lines.map((line) => `ip ${line}\n`).join('');
}

// --- internal ---

function renamed(name: string): string[] {
  return ['link set wire1 down', `link set wire1 name ${name}`];
}

function bonded(name: string, ports: readonly string[]): string[] {
  return [
    `link add ${name} type bond mode active-backup miimon 50`,
    ...ports.flatMap((port) => [`link set ${port} down`, `link set ${port} master ${name}`]),
  ];
}
