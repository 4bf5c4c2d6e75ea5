// SPDX-License-Identifier: Apache-2.0
// Pure: options of a cluster -> namespaces, veth pairs, sysctls and `ip` commands. It touches no kernel; cluster.ts does.
// Two shapes: nodes on one segment behind a router, or, when a path is narrow, every host behind a gateway of its own,
// so that no host can know the path's MTU from its own interface.

import type { DualStack } from './address-plan.ts';
import * as plan from './address-plan.ts';

export type HostName = 'client' | 'node1' | 'node2';

export interface ClusterOptions {
  /** `routed`: a /32 route and proxy ARP per pod, as Calico and GKE do; `bridge`: cni0, as kind and flannel do. */
  readonly pods?: 'routed' | 'bridge';
  readonly podsPerNode?: number;
  /** 0 off, 1 strict, 2 loose, on nodes. */
  readonly rpFilter?: 0 | 1 | 2;
  /** Addresses of the client, to come from several. */
  readonly clientAddresses?: number;
  /** MTU of the link between the gateway of a host and the core. */
  readonly narrow?: Partial<Record<HostName, number>>;
  /** The node that Service addresses are routed to. */
  readonly serviceNode?: 1 | 2;
  /** Makes sending hosts compute checksums, so that receivers verify them; on veth they are otherwise taken on trust. */
  readonly realChecksums?: boolean;
}

export interface NamespacePlan {
  readonly name: string;
  readonly sysctls: Record<string, string>;
  /** Lines for `ip -batch`, once the veth pairs are there. */
  readonly ip: string[];
  readonly deviceSysctls: Record<string, string>;
}

export interface VethPlan {
  readonly a: { readonly namespace: string; readonly device: string };
  readonly b: { readonly namespace: string; readonly device: string };
}

export interface HostPlan {
  readonly addresses: readonly DualStack[];
}

export interface PodPlan {
  readonly name: string;
  readonly node: 1 | 2;
  readonly address: DualStack;
  /** The node's end of its veth pair. */
  readonly device: string;
}

export interface TopologyPlan {
  readonly namespaces: readonly NamespacePlan[];
  readonly veths: readonly VethPlan[];
  readonly hosts: Readonly<Record<HostName, HostPlan>>;
  readonly pods: readonly PodPlan[];
}

export function planTopology(options: ClusterOptions): TopologyPlan {
  const { podsPerNode = 2, clientAddresses = 4, serviceNode = 1 } = options;
  const draft = new Draft();
  const routed = options.narrow !== undefined;
  const segment = (node: 1 | 2): number => (routed ? node : plan.SHARED_SEGMENT);
  const hosts: Record<HostName, HostPlan> = {
    client: { addresses: Array.from({ length: clientAddresses }, (_, i) => plan.client(10 + i)) },
    node1: { addresses: [plan.nodeAddress(segment(1), 11)] },
    node2: { addresses: [plan.nodeAddress(segment(2), 12)] },
  };
  for (const name of HOST_NAMES) {
    draft.host(
      name,
      hosts[name].addresses,
      gatewayOf(name, segment),
      name === 'client' ? undefined : (options.rpFilter ?? 1),
    );
  }
  const pods = ([1, 2] as const).flatMap((node) =>
    Array.from({ length: podsPerNode }, (_, i) => planPod(draft, node, i + 1, options.pods ?? 'routed')),
  );
  if (routed) routedFabric(draft, hosts, options.narrow, serviceNode);
  else sharedFabric(draft, hosts, serviceNode);
  return { namespaces: [...draft.namespaces.values()], veths: draft.veths, hosts, pods };
}

// --- internal ---

const HOST_NAMES = ['client', 'node1', 'node2'] as const;
const FAMILIES = ['v4', 'v6'] as const;

function gatewayOf(name: HostName, segment: (node: 1 | 2) => number): DualStack {
  if (name === 'client') return plan.client(1);
  return plan.nodeAddress(segment(name === 'node1' ? 1 : 2), 1);
}

class Draft {
  readonly namespaces = new Map<string, NamespacePlan>();
  readonly veths: VethPlan[] = [];

  namespace(name: string, sysctls: Record<string, string>): NamespacePlan {
    const created: NamespacePlan = {
      name,
      sysctls: { ...BASE_SYSCTLS, ...sysctls },
      ip: ['link set lo up'],
      deviceSysctls: {},
    };
    this.namespaces.set(name, created);
    return created;
  }

  veth(a: string, deviceA: string, b: string, deviceB: string): void {
    this.veths.push({ a: { namespace: a, device: deviceA }, b: { namespace: b, device: deviceB } });
  }

  host(name: HostName, addresses: readonly DualStack[], gateway: DualStack, rpFilter: number | undefined): void {
    const { ip } = this.namespace(name, rpFilter === undefined ? CLIENT_SYSCTLS : nodeSysctls(rpFilter));
    ip.push('link set eth0 up');
    for (const [n, { v4, v6 }] of addresses.entries()) {
      // IPv6 would prefer the newest address as a source; a deprecated one has to be asked for.
      ip.push(`addr add ${v4}/24 dev eth0`, `addr add ${v6}/64 dev eth0 nodad ${n === 0 ? '' : 'preferred_lft 0'}`);
    }
    ip.push(`route add default via ${gateway.v4}`, `route add ::/0 via ${gateway.v6}`);
  }

  router(name: string): NamespacePlan {
    return this.namespace(name, ROUTER_SYSCTLS);
  }
}

/** accept_dad: an address that is tentative for a second would make every test wait. */
const BASE_SYSCTLS = {
  'net.ipv6.conf.all.disable_ipv6': '0',
  'net.ipv6.conf.default.disable_ipv6': '0',
  'net.ipv6.conf.all.accept_dad': '0',
  'net.ipv6.conf.default.accept_dad': '0',
  'net.ipv6.conf.default.accept_ra': '0',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  'net.ipv4.ip_forward': '0',
};

/** Many short connections from one address must not run out of ports. */
const CLIENT_SYSCTLS = { 'net.ipv4.ip_local_port_range': '10000 65000', 'net.ipv4.tcp_tw_reuse': '1' };

const FORWARDING = {
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.forwarding': '1',
  'net.ipv6.conf.default.forwarding': '1',
};

/** Every test may need its "packet too big" now, however many were sent before. */
const ROUTER_SYSCTLS = { ...FORWARDING, 'net.ipv4.icmp_ratelimit': '0', 'net.ipv6.icmp.ratelimit': '0' };

function nodeSysctls(rpFilter: number): Record<string, string> {
  return {
    ...FORWARDING,
    'net.ipv4.conf.all.rp_filter': String(rpFilter),
    'net.ipv4.conf.default.rp_filter': String(rpFilter),
    'net.ipv4.tcp_tw_reuse': '1',
  };
}

function addAddress(address: DualStack, device: string, length4: number, length6 = 64): string[] {
  return [`addr add ${address.v4}/${length4} dev ${device}`, `addr add ${address.v6}/${length6} dev ${device} nodad`];
}

function addRoute(prefix: DualStack, via: DualStack): string[] {
  return FAMILIES.map((family) => `route add ${prefix[family]} via ${via[family]}`);
}

function planPod(draft: Draft, node: 1 | 2, n: number, kind: 'routed' | 'bridge'): PodPlan {
  const name = `pod${node}-${n}`;
  const device = `pod${n}`;
  const address = plan.podAddress(node, n);
  const pod = draft.namespace(name, CLIENT_SYSCTLS);
  const host = draft.namespaces.get(`node${node}`);
  if (host === undefined) throw new Error(`pod ${name} before its node`);
  draft.veth(name, 'eth0', `node${node}`, device);
  pod.ip.push('link set eth0 up');
  if (kind === 'bridge') {
    if (n === 1)
      host.ip.push('link add cni0 type bridge', 'link set cni0 up', ...addAddress(plan.podBridge(node), 'cni0', 26));
    host.ip.push(`link set ${device} up master cni0`);
    pod.ip.push(...addAddress(address, 'eth0', 26), `route add default via ${plan.podBridge(node).v4}`);
    pod.ip.push(`route add ::/0 via ${plan.podBridge(node).v6}`);
    return { name, node, address, device };
  }
  host.ip.push(`link set ${device} up`, `addr add ${plan.POD_GATEWAY.v6}/64 dev ${device} nodad`);
  host.ip.push(`route add ${address.v4}/32 dev ${device} scope link`, `route add ${address.v6}/128 dev ${device}`);
  host.deviceSysctls[`net.ipv4.conf.${device}.proxy_arp`] = '1';
  host.deviceSysctls[`net.ipv4.neigh.${device}.proxy_delay`] = '0';
  pod.ip.push(...addAddress(address, 'eth0', 32, 128), `route add ${plan.POD_GATEWAY.v4} dev eth0 scope link`);
  pod.ip.push(`route add default via ${plan.POD_GATEWAY.v4}`, `route add ::/0 via ${plan.POD_GATEWAY.v6} dev eth0`);
  return { name, node, address, device };
}

/** Nodes reach each other's pods directly, as with host-gw. */
function sharedFabric(draft: Draft, hosts: Record<HostName, HostPlan>, serviceNode: 1 | 2): void {
  const { ip } = draft.router('fabric');
  ip.push(
    'link add br0 type bridge',
    'link set br0 up',
    ...addAddress(plan.nodeAddress(plan.SHARED_SEGMENT, 1), 'br0', 24),
  );
  for (const node of [1, 2] as const) {
    draft.veth(`node${node}`, 'eth0', 'fabric', `to-node${node}`);
    ip.push(`link set to-node${node} up master br0`);
    const other = node === 1 ? 2 : 1;
    draft.namespaces.get(`node${node}`)?.ip.push(...addRoute(plan.podCidr(other), firstAddress(hosts, other)));
    ip.push(...addRoute(plan.podCidr(node), firstAddress(hosts, node)));
  }
  draft.veth('client', 'eth0', 'fabric', 'to-client');
  ip.push('link set to-client up', ...addAddress(plan.client(1), 'to-client', 24));
  for (const prefix of [plan.SERVICE_CIDR, plan.EXTERNAL_CIDR])
    ip.push(...addRoute(prefix, firstAddress(hosts, serviceNode)));
}

function routedFabric(
  draft: Draft,
  hosts: Record<HostName, HostPlan>,
  narrow: Partial<Record<HostName, number>> | undefined,
  serviceNode: 1 | 2,
): void {
  const core = draft.router('core');
  for (const [link, name] of HOST_NAMES.entries()) {
    const gateway = draft.router(`gw-${name}`);
    const mtu = narrow?.[name] ?? 1500;
    draft.veth(name, 'eth0', `gw-${name}`, 'inside');
    draft.veth(`gw-${name}`, 'outside', 'core', `to-${name}`);
    gateway.ip.push(
      'link set inside up',
      ...addAddress(
        gatewayOf(name, (node) => node),
        'inside',
        24,
      ),
    );
    gateway.ip.push(`link set outside mtu ${mtu} up`, ...addAddress(plan.transitAddress(link, 2), 'outside', 24));
    gateway.ip.push(
      ...FAMILIES.map((f) => `route add ${f === 'v6' ? '::/0' : 'default'} via ${plan.transitAddress(link, 1)[f]}`),
    );
    core.ip.push(`link set to-${name} mtu ${mtu} up`, ...addAddress(plan.transitAddress(link, 1), `to-${name}`, 24));
    const behind = name === 'client' ? [plan.CLIENT_CIDR] : nodePrefixes(name === 'node1' ? 1 : 2);
    for (const prefix of behind) core.ip.push(...addRoute(prefix, plan.transitAddress(link, 2)));
    if (name === 'client') continue;
    const node = name === 'node1' ? 1 : 2;
    const services = node === serviceNode ? [plan.SERVICE_CIDR, plan.EXTERNAL_CIDR] : [];
    for (const prefix of services) core.ip.push(...addRoute(prefix, plan.transitAddress(link, 2)));
    for (const prefix of [plan.podCidr(node), ...services])
      gateway.ip.push(...addRoute(prefix, firstAddress(hosts, node)));
  }
}

function nodePrefixes(node: 1 | 2): DualStack[] {
  return [{ v4: `198.18.${node}.0/24`, v6: `2001:db8:a:${node}::/64` }, plan.podCidr(node)];
}

function firstAddress(hosts: Record<HostName, HostPlan>, node: 1 | 2): DualStack {
  const address = hosts[`node${node}`].addresses[0];
  if (address === undefined) throw new Error(`node${node} has no address`);
  return address;
}
