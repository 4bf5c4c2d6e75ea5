// SPDX-License-Identifier: Apache-2.0
// On which addresses of a host NodePorts answer.

import { describe, expect, it } from 'vitest';
import type { NodePortPolicy } from '../../../src/agent/node-port-addresses.ts';
import { nodePortAddresses } from '../../../src/agent/node-port-addresses.ts';
import type { Node } from '../../../src/model/types.ts';
import type { Address } from '../../../src/net/ip.ts';
import { parsePrefix } from '../../../src/net/prefix.ts';
import type { HostState } from '../../../src/sources/links.ts';
import { address } from '../../support/records.ts';

const A4 = address('192.0.2.1');
const B4 = address('198.51.100.1');
const A6 = address('2001:db8::1');
const B6 = address('2001:db8::2');
const ELSEWHERE = address('203.0.113.7');

function host(addresses: readonly Address[], defaultRoutes: readonly number[] = []) {
  const ifaces: HostState['ifaces'] = [
    { ifindex: 2, name: 'eth0', mtu: 1500, arphrd: 1, address4: A4, address6: A6 },
    { ifindex: 3, name: 'eth1', mtu: 1500, arphrd: 1, address4: B4 },
  ];
  return { addresses, ifaces, defaultRoutes };
}

function node(...addresses: readonly Address[]): Node {
  return { name: 'n', addresses, podCIDRs: [], zone: '' };
}

const ALL = host([A4, B4, A6, B6], [2]);
const PRIMARY: NodePortPolicy = { primary: undefined };

function chosen(...args: Parameters<typeof nodePortAddresses>): readonly string[] {
  const { addresses, problems } = nodePortAddresses(...args);
  expect(problems).toEqual([]);
  return addresses;
}

describe('prefixes', () => {
  it('choose among the addresses of the host; none means all', () => {
    const prefixes = ['192.0.2.0/24', '::/0'].flatMap((text) => parsePrefix(text) ?? []);
    expect(chosen({ prefixes }, ALL, undefined)).toEqual([A4, A6, B6]);
    expect(chosen({ prefixes: [] }, ALL, undefined)).toEqual([A4, B4, A6, B6]);
  });
});

describe('primary', () => {
  it("is the Node's first address of each family", () => {
    expect(chosen(PRIMARY, ALL, node(B4, B6, A4, A6))).toEqual([B4, B6]);
  });

  it('is the address that kube-proxy is bound to, in its family', () => {
    expect(chosen({ primary: A4 }, ALL, node(B4, B6))).toEqual([A4, B6]);
  });

  it('is that of the interface with the default route where the Node is not known, or has none', () => {
    expect(chosen(PRIMARY, ALL, undefined)).toEqual([A4, A6]);
    expect(chosen(PRIMARY, ALL, node(B4))).toEqual([B4, A6]);
    expect(chosen(PRIMARY, host([A4, B4], [3, 2]), undefined)).toEqual([A4]);
    expect(chosen(PRIMARY, host([A4, B4], [3]), undefined)).toEqual([B4]);
  });

  it('opens a family of which nobody knows the primary address, as kube-proxy does, and says so', () => {
    const { addresses, problems } = nodePortAddresses(PRIMARY, host([A4, B4, A6, B6]), node(A4));
    expect(addresses).toEqual([A4, A6, B6]);
    expect(problems).toEqual([expect.stringMatching(/^nodePortAddresses: no primary IPv6 address is known/)]);
  });

  it('closes a family whose primary address is somewhere else, and says so', () => {
    const { addresses, problems } = nodePortAddresses(PRIMARY, ALL, node(ELSEWHERE, A6));
    expect(addresses).toEqual([A6]);
    expect(problems).toEqual([
      'nodePortAddresses: the primary address 203.0.113.7 is not on this host; NodePorts do not answer over IPv4',
    ]);
  });

  it('has nothing to say of a family that the host has not', () => {
    expect(chosen(PRIMARY, host([A4]), node(A4, A6))).toEqual([A4]);
  });
});
