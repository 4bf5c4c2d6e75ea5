// SPDX-License-Identifier: Apache-2.0
// The host that packet programs run on in tests: an uplink with a router, a device without addresses, a route that goes
// nowhere. Neighbours are permanent: nobody answers here.

import type { HostInterface } from '../../src/datapath/host-maps.ts';
import { addressOf, HOST } from './prog-addresses.ts';
import type { Namespace } from './namespace.ts';

const MAC_OF_ROUTER = '02:00:00:00:00:fe';

export const UPLINK = { ifindex: 10, name: 'up0', mtu: 1400 } as const;
/** Leads to backends of another node, but has no address of its own. */
export const BARE = { ifindex: 12, name: 'bare0', mtu: 1500 } as const;

const SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.forwarding',
  'net.ipv6.conf.all.forwarding',
  'net.ipv6.conf.default.forwarding',
];

/** Returns what the agent would tell the programs of the interfaces. */
export async function layOut(namespace: Namespace): Promise<HostInterface[]> {
  const settings = SYSCTLS.map((name) => `echo 1 >/proc/sys/${name.replaceAll('.', '/')}`);
  await namespace.run('sh', ['-ec', settings.join('\n')]);
  const devices = [UPLINK, BARE].flatMap(({ ifindex, name, mtu }) => [
    `link add ${name} index ${ifindex} mtu ${mtu} type veth peer ${name}x mtu ${mtu}`,
    `link set ${name} up`,
    `link set ${name}x up`,
  ]);
  const families = (['v4', 'v6'] as const).flatMap((of) => [
    `addr add ${HOST.node[of]}/${of === 'v4' ? 24 : 64} dev up0${of === 'v6' ? ' nodad' : ''}`,
    `neigh add ${HOST.router[of]} lladdr ${MAC_OF_ROUTER} dev up0 nud permanent`,
    `route add ${HOST.clients[of]} via ${HOST.router[of]}`,
    `route add ${HOST.remotePods[of]} via ${HOST.router[of]}`,
    `route add ${HOST.behindBare[of]} dev bare0`,
    `route add unreachable ${HOST.unreachable[of]}`,
  ]);
  await namespace.ip(...devices, ...families);
  return [
    { ...UPLINK, address4: addressOf(HOST.node.v4), address6: addressOf(HOST.node.v6) },
    { ifindex: BARE.ifindex, mtu: BARE.mtu },
  ];
}
