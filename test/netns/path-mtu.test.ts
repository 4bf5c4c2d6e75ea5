// SPDX-License-Identifier: Apache-2.0
// Paths that are narrower than every interface on them: only a translated ICMP error can tell the sender, so a transfer
// that ends shows that it was translated. Nothing probes for black holes here (tcp_mtu_probing is off by default).

import { beforeAll, describe, expect, test } from 'vitest';
import { pick } from '../support/address-plan.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { HostName } from '../support/topology.ts';
import type { Workload } from '../support/workload.ts';

const MEGABYTE = 1_000_000;

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

  describe.each(['local', 'remote'] as const)('to a %s backend', (where) => {
    test.each([4, 6] as const)('transfers end in both directions over IPv%i', async (family) => {
      const frontends: [string, number][] = [
        [pick(bed.cluster.node1.address, family), services[where].nodePort],
        [pick(services[where].loadBalancerIp, family), SERVICE_PORT],
      ];
      for (const [host, port] of frontends) {
        const whole = { failure: null, bytes: 2 * MEGABYTE, intact: true };
        expect(await client.call('upload', { host, port, bytes: 2 * MEGABYTE })).toMatchObject(whole);
        const { id } = await client.call('download.start', { host, port, bytes: 2 * MEGABYTE });
        expect(await client.call('download.finish', { id })).toMatchObject(whole);
      }
    });
  });

  test.each([4, 6] as const)('a pod reaches a remote backend through the cluster IP over IPv%i', async (family) => {
    const pod = await bed.at(bed.cluster.node1.pod(1));
    const host = pick(services.remote.clusterIp, family);
    const whole = { failure: null, bytes: 2 * MEGABYTE, intact: true };
    expect(await pod.call('upload', { host, port: SERVICE_PORT, bytes: 2 * MEGABYTE })).toMatchObject(whole);
  });
});
