// SPDX-License-Identifier: Apache-2.0
// Paths that are narrower than every interface on them: only a translated ICMP error can tell the sender, so a transfer
// that ends shows that it was translated. Nothing probes for black holes here (tcp_mtu_probing is off by default).

import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Family } from '../support/address-plan.ts';
import { pick } from '../support/address-plan.ts';
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

async function forgetPathMtus(bed: Testbed): Promise<void> {
  const { client, nodes, pods, fabric } = bed.cluster;
  const flush =
    'ip -4 route flush cache && ip -6 route flush cache && ip -4 route show cache && ip -6 route show cache';
  const left = [client, ...nodes, ...pods, ...fabric.values()].map((place) => place.run('sh', ['-c', flush]));
  expect((await Promise.all(left)).join('')).toBe('');
}
