// SPDX-License-Identifier: Apache-2.0
// Kinds of network devices by which a host may be reached, each as `ip` makes it at both of its ends. Data; what travels
// over them is the tests' business.

import type { DualStack, Family } from './address-plan.ts';

export interface UplinkKind {
  readonly name: string;
  readonly families: readonly Family[];
  /** What joins both ends before: so many pairs of this type, `wire1` and on, up, at both. Tunnels need none. */
  readonly wires?: readonly ['veth' | 'netkit', number];
  /** Makes `DEVICE` at one end. */
  readonly device: (name: string, ends: Ends) => readonly string[];
}

/** Addresses by which both ends reach each other already. */
export interface Ends {
  readonly local: DualStack;
  readonly remote: DualStack;
}

export const UPLINK_KINDS: readonly UplinkKind[] = [
  {
    name: 'veth',
    families: [4, 6],
    wires: ['veth', 1],
    device: (name) => [`link set wire1 down`, `link set wire1 name ${name}`],
  },
  {
    name: 'vlan',
    families: [4, 6],
    wires: ['veth', 1],
    device: (name) => [`link add link wire1 name ${name} type vlan id 42`],
  },
  {
    name: 'bond',
    families: [4, 6],
    wires: ['veth', 2],
    device: (name) => [
      `link add ${name} type bond mode active-backup miimon 50`,
      ...['wire1', 'wire2'].flatMap((wire) => [`link set ${wire} down`, `link set ${wire} master ${name}`]),
    ],
  },
  {
    name: 'netkit',
    families: [4, 6],
    wires: ['netkit', 1],
    device: (name) => [`link set wire1 down`, `link set wire1 name ${name}`],
  },
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
export function wireLines(type: 'veth' | 'netkit', near: string, far: string, netns?: string): string[] {
  const there = netns === undefined ? '' : `netns ${netns} `;
  if (type === 'veth') return [`link add ${near} type veth peer name ${far} ${there}`];
  // iproute2 before 6.8 knows netkit by its name alone; the kernel calls the peer nk0.
  return [`link add ${near} type netkit`, `link set nk0 ${there}name ${far}`];
}

/** A shell script that makes one, both ends in the namespace that it runs in. */
export function uplinkProbe({ wires, device }: UplinkKind): string {
  const [type, count] = wires ?? ['veth', 0];
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const ends = {
    local: { v4: '192.0.2.1', v6: '2001:db8::1' },
    remote: { v4: '192.0.2.2', v6: '2001:db8::2' },
  };
  const lines = [...numbers.flatMap((n) => wireLines(type, `wire${n}`, `other${n}`)), ...device('probe', ends)];
  return lines.map((line) => `ip ${line}\n`).join('');
}
