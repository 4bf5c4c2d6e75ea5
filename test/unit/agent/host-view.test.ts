// SPDX-License-Identifier: Apache-2.0
// What programs are told of a host.

import { describe, expect, it } from 'vitest';
import type { HostViewOptions } from '../../../src/agent/host-view.ts';
import { hostView } from '../../../src/agent/host-view.ts';
import type { Node } from '../../../src/model/types.ts';
import type { Prefix } from '../../../src/net/prefix.ts';
import { parsePrefix, prefixText } from '../../../src/net/prefix.ts';
import type { HostState } from '../../../src/sources/links.ts';
import { address } from '../../support/records.ts';

const UPLINK = { ifindex: 2, name: 'eth0', mtu: 1500, arphrd: 1, address4: address('192.0.2.1') };
const STATE: HostState = {
  uplinks: [UPLINK],
  ifaces: [
    { ifindex: 1, name: 'lo', mtu: 65_536, arphrd: 772 },
    UPLINK,
    { ifindex: 3, name: 'pod3', mtu: 1500, arphrd: 1 },
    { ifindex: 4, name: 'cni0', mtu: 1500, arphrd: 1 },
  ],
  addresses: [address('192.0.2.1')],
  defaultRoutes: [2],
  generation: 1,
};

function node(podCIDRs: readonly string[], ...addresses: readonly string[]): Node {
  return { name: 'n', addresses: addresses.map(address), podCIDRs, zone: '' };
}

function prefixes(...texts: readonly string[]): Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}

const OFF: HostViewOptions = { podDevices: [], detectLocal: { mode: 'cluster', prefixes: [] }, masqueradeAll: false };

describe('doors', () => {
  it('are on uplinks, and on devices of pods that are none', () => {
    const { doors, roles, rules } = hostView({ ...OFF, podDevices: ['pod*', 'eth*', 'lo'] }, STATE, undefined);
    expect(doors.map(({ name }) => name)).toEqual(['eth0', 'pod3']);
    expect([...roles.pods]).toEqual([3]);
    expect(rules.podDevices).toBe(true);
  });

  it('are on uplinks alone where no device of a pod is there', () => {
    const { doors, rules } = hostView({ ...OFF, podDevices: ['veth*'] }, STATE, undefined);
    expect(doors.map(({ name }) => name)).toEqual(['eth0']);
    expect(rules.podDevices).toBe(false);
  });
});

describe("this node's first addresses", () => {
  it('are those of the Node object, by family', () => {
    const { rules } = hostView(OFF, STATE, node([], '198.51.100.9', '2001:db8::9', '192.0.2.1'));
    expect(rules.node).toEqual({ 4: '198.51.100.9', 6: '2001:db8::9' });
  });

  it("are the uplink's where the object tells of none", () => {
    expect(hostView(OFF, STATE, node([])).rules.node).toEqual({ 4: '192.0.2.1' });
  });
});

describe('local pods', () => {
  const cluster = (...texts: string[]): HostViewOptions => ({
    ...OFF,
    detectLocal: { mode: 'cluster', prefixes: prefixes(...texts) },
  });

  it.each([
    { when: 'nothing is said', options: OFF, cidrs: ['10.244.1.0/24'], known: [], sockets: [] },
    {
      when: 'clusterCIDR is of one family',
      options: cluster('10.244.0.0/16'),
      cidrs: ['10.244.1.0/24', 'fd00:1::/64'],
      known: ['10.244.0.0/16'],
      sockets: [4],
    },
    {
      when: 'clusterCIDR is that of other pods',
      options: cluster('10.99.0.0/16', 'fd00::/16'),
      cidrs: ['10.244.1.0/24', 'fd00:1::/64'],
      known: ['10.99.0.0/16', 'fd00::/16'],
      sockets: [6],
    },
    {
      when: 'the Node object tells nothing of pods',
      options: cluster('10.244.0.0/16'),
      cidrs: [],
      known: ['10.244.0.0/16'],
      sockets: [4],
    },
    {
      when: 'they are known by podCIDRs',
      options: { ...OFF, detectLocal: { mode: 'node' } } as const,
      cidrs: ['10.244.1.0/24'],
      known: ['10.244.1.0/24'],
      sockets: [4],
    },
    {
      when: 'they are known by their devices',
      options: { ...OFF, detectLocal: { mode: 'interface', devices: 'cni0' } } as const,
      cidrs: [],
      known: [],
      sockets: [4, 6],
    },
  ])('by address, and by socket, when $when', ({ options, cidrs, known, sockets }) => {
    const { rules, roles } = hostView(options, STATE, node(cidrs));
    expect(rules.localPods.map(prefixText)).toEqual(known);
    expect([...rules.podSocketsLocal]).toEqual(sockets);
    expect([...roles.localPods]).toEqual(rules.localByInterface ? [4] : []);
  });
});
