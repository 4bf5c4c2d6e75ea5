// SPDX-License-Identifier: Apache-2.0
// The one address plan of tests, demo and bench: documentation and benchmarking ranges only. It knows numbers, not how
// they get onto an interface.

export interface DualStack {
  readonly v4: string;
  readonly v6: string;
}

export type Family = 4 | 6;

/** What a cluster routes to its Services; allocations of the agent come out of here too. */
export const SERVICE_CIDR: DualStack = { v4: '198.19.0.0/16', v6: '2001:db8:5::/112' };
/** External and LoadBalancer addresses, routed to a node from outside. */
export const EXTERNAL_CIDR: DualStack = { v4: '203.0.113.0/24', v6: '2001:db8:e::/64' };
export const CLIENT_CIDR: DualStack = { v4: '198.51.100.0/24', v6: '2001:db8:c::/64' };
export const POD_CIDR: DualStack = { v4: '192.0.2.0/24', v6: '2001:db8:b::/48' };
/** What a pod of the routed kind calls its gateway; answered by proxy ARP, never a node address. */
export const POD_GATEWAY: DualStack = { v4: '169.254.1.1', v6: 'fe80::1' };

/** Address n (1..254) that a Service may ask for. */
export function clusterIp(n: number): DualStack {
  return { v4: `198.19.0.${n}`, v6: `2001:db8:5::${n.toString(16)}` };
}

export function externalIp(n: number): DualStack {
  return { v4: `203.0.113.${n}`, v6: `2001:db8:e::${n.toString(16)}` };
}

export function client(n: number): DualStack {
  return { v4: `198.51.100.${n}`, v6: `2001:db8:c::${n.toString(16)}` };
}

/** The segment that nodes share; 1 and 2 are the nodes' own when a router stands between them. */
export const SHARED_SEGMENT = 10;

export function nodeAddress(segment: number, n: number): DualStack {
  return { v4: `198.18.${segment}.${n}`, v6: `2001:db8:a:${segment}::${n.toString(16)}` };
}

/** Links between routers. */
export function transitAddress(link: number, n: number): DualStack {
  return nodeAddress(100 + link, n);
}

/** Node 1 or 2: 62 IPv4 pods each. */
export function podCidr(node: number): DualStack {
  return { v4: `192.0.2.${node * 64}/26`, v6: `2001:db8:b:${node}::/64` };
}

/** Pod n (1..61) of node 1 or 2; the first address of the block is the bridge's. */
export function podAddress(node: number, n: number): DualStack {
  return { v4: `192.0.2.${node * 64 + n + 1}`, v6: `2001:db8:b:${node}::${(n + 1).toString(16)}` };
}

export function podBridge(node: number): DualStack {
  return { v4: `192.0.2.${node * 64 + 1}`, v6: `2001:db8:b:${node}::1` };
}

export function pick(addresses: DualStack, family: Family): string {
  return family === 4 ? addresses.v4 : addresses.v6;
}

export function both(addresses: DualStack): [v4: string, v6: string] {
  return [addresses.v4, addresses.v6];
}

/** As it stands in a URL or before a port. */
export function bracket(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
