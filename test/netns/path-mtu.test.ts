// SPDX-License-Identifier: Apache-2.0
// Paths that are narrower than every interface on them: only a translated ICMP error can tell the sender, so a transfer
// that ends shows that it was translated. And a node whose own link is the narrow one: it must tell the sender itself, or
// have the packet cut. Nothing probes for black holes here (tcp_mtu_probing is off by default).

import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DualStack, Family } from '../support/address-plan.ts';
import { CLIENT_CIDR, nodeAddress, pick, podCidr } from '../support/address-plan.ts';
import type { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { HostName } from '../support/topology.ts';
import type { Workload } from '../support/workload.ts';

const MEGABYTE = 1_000_000;
const WHOLE = { failure: null, bytes: 2 * MEGABYTE, intact: true };

describe.each<[string, Partial<Record<HostName, number>>]>([
  ['the client', { client: 1400 }],
  ['the node that translates', { node1: 1380 }],
  ['the node of the backend', { node2: 1360 }],
  ['everybody, differently', { client: 1440, node1: 1420, node2: 1300 }],
])('with a narrow link to %s', (_, narrow) => {
  let bed: Testbed;
  let client: Workload;
  let services: Record<'local' | 'remote', ServiceHandle>;

  beforeAll(async () => {
    bed = await Testbed.create({ narrow });
    services = { local: await bed.expose(bed.cluster.node1.pods), remote: await bed.expose(bed.cluster.node2.pods) };
    client = await bed.at(bed.cluster.client);
    return () => bed[Symbol.asyncDispose]();
  });

  // Hosts remember the MTU of a path, and would get through the second time by that alone.
  beforeEach(() => forgetPathMtus(bed));

  describe.each(['local', 'remote'] as const)('to a %s backend', (where) => {
    describe.each(['NodePort', 'LoadBalancer IP'] as const)('by %s', (kind) => {
      const frontend = (family: Family): { host: string; port: number } =>
        kind === 'NodePort'
          ? { host: pick(bed.cluster.node1.address, family), port: services[where].nodePort }
          : { host: pick(services[where].loadBalancerIp, family), port: SERVICE_PORT };

      test.each([4, 6] as const)('an upload ends over IPv%i', async (family) => {
        expect(await client.call('upload', { ...frontend(family), bytes: 2 * MEGABYTE })).toMatchObject(WHOLE);
      });

      test.each([4, 6] as const)('a download ends over IPv%i', async (family) => {
        const { id } = await client.call('download.start', { ...frontend(family), bytes: 2 * MEGABYTE });
        expect(await client.call('download.finish', { id })).toMatchObject(WHOLE);
      });
    });
  });

  test.each([4, 6] as const)('a pod reaches a remote backend through the cluster IP over IPv%i', async (family) => {
    const pod = await bed.at(bed.cluster.node1.pod(1));
    const host = pick(services.remote.clusterIp, family);
    expect(await pod.call('upload', { host, port: SERVICE_PORT, bytes: 2 * MEGABYTE })).toMatchObject(WHOLE);
  });
});

describe.each([
  ['', false],
  [', where checksums are computed when packets leave', true],
])('with a narrow link behind the node%s', (_, lateChecksums) => {
  let bed: Testbed;
  let client: Workload;
  let services: Record<'local' | 'remote', ServiceHandle>;

  beforeAll(async () => {
    bed = await Testbed.create({ rpFilter: 2, agentArguments: () => ['--devices', 'eth0,eth1'] });
    await leaveByNarrowLink(bed);
    if (lateChecksums)
      for (const device of ['eth0', 'eth1']) await bed.cluster.node1.run('ethtool', ['-K', device, 'tx', 'off']);
    services = { local: await bed.expose(bed.cluster.node1.pods), remote: await bed.expose(bed.cluster.node2.pods) };
    client = await bed.at(bed.cluster.client);
    return () => bed[Symbol.asyncDispose]();
  });

  async function expectTransfers(where: 'local' | 'remote', family: Family): Promise<void> {
    const port = services[where].nodePort;
    const host = pick(bed.cluster.node1.address, family);
    expect(await client.call('upload', { host, port, bytes: 2 * MEGABYTE })).toMatchObject(WHOLE);
    const { id } = await client.call('download.start', { host, port, bytes: 2 * MEGABYTE });
    expect(await client.call('download.finish', { id })).toMatchObject(WHOLE);
  }

  async function fragmentsMade(): Promise<bigint> {
    return (await bed.cluster.node1.counters()).get('Ip.FragCreates') ?? -1n;
  }

  describe.each(['local', 'remote'] as const)('to a %s backend', (where) => {
    test.each([4, 6] as const)('transfers end over IPv%i, and nothing is cut', async (family) => {
      await forgetPathMtus(bed);
      const before = await fragmentsMade();
      await expectTransfers(where, family);
      expect(await fragmentsMade()).toBe(before);
    });

    describe('from hosts that forbid no fragments', () => {
      beforeAll(async () => {
        await Promise.all([bed.cluster.client, ...bed.cluster.pods].map((host) => allowFragments(host, true)));
        return () => Promise.all([bed.cluster.client, ...bed.cluster.pods].map((host) => allowFragments(host, false)));
      });

      test('TCP transfers end, in fragments', async () => {
        const before = await fragmentsMade();
        await expectTransfers(where, 4);
        expect(await fragmentsMade()).toBeGreaterThan(before + 2000n);
      });

      test('a datagram and its answer arrive, in fragments', async () => {
        const before = await fragmentsMade();
        const endpoint = { host: bed.cluster.node1.address.v4, port: services[where].nodePort };
        const { id } = await client.call('udp.open', { type: 'udp4' });
        for (let round = 0; round < 3; round++) {
          expect(await client.call('udp.exchange', { id, ...endpoint, bytes: 1400 })).toMatchObject({
            failure: null,
            from: { address: endpoint.host, port: endpoint.port },
          });
        }
        await client.call('udp.close', { id });
        expect(await fragmentsMade()).toBe(before + (where === 'local' ? 6n : 12n));
      });
    });
  });
});

const NARROW_LINK = 20;

/** What node 1 sends to clients and to node 2 takes a second uplink; what it gets comes by the first. */
async function leaveByNarrowLink({ cluster }: Testbed): Promise<void> {
  const { node1, prefix } = cluster;
  const fabric = cluster.fabric.get('fabric');
  if (fabric === undefined) throw new Error('the cluster has no fabric');
  const [near, far] = [nodeAddress(NARROW_LINK, 11), nodeAddress(NARROW_LINK, 1)];
  const up = (device: string, { v4, v6 }: DualStack): string[] => [
    `link set ${device} mtu 1300 up`,
    `addr add ${v4}/24 dev ${device}`,
    `addr add ${v6}/64 dev ${device} nodad`,
  ];
  await node1.ip(`link add eth1 index 900 type veth peer narrow index 901 netns ${prefix}-fabric`);
  await fabric.ip(...up('narrow', far));
  await fabric.ip(
    `route add ${near.v4}/32 via ${node1.address.v4}`,
    `route add ${near.v6}/128 via ${node1.address.v6}`,
  );
  await node1.ip(...up('eth1', near));
  for (const to of [CLIENT_CIDR, podCidr(2)])
    await node1.ip(`route replace ${to.v4} via ${far.v4}`, `route replace ${to.v6} via ${far.v6}`);
}

/** TCP and UDP of this host leave the DF bit off: its default route says that the path's MTU is not to be found out. */
async function allowFragments(host: Place, allowed: boolean): Promise<void> {
  const [route] = JSON.parse(await host.run('ip', ['-j', '-4', 'route', 'show', 'default'])) as { gateway: string }[];
  if (route === undefined) throw new Error(`${host.name} has no default route`);
  await host.ip(`route replace default via ${route.gateway} ${allowed ? 'mtu lock 1500' : ''}`);
}

async function forgetPathMtus(bed: Testbed): Promise<void> {
  const { client, nodes, pods, fabric } = bed.cluster;
  const flush =
    'ip -4 route flush cache && ip -6 route flush cache && ip -4 route show cache && ip -6 route show cache';
  const left = [client, ...nodes, ...pods, ...fabric.values()].map((place) => place.run('sh', ['-c', flush]));
  expect((await Promise.all(left)).join('')).toBe('');
}
