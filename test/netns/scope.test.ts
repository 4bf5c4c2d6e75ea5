// SPDX-License-Identifier: Apache-2.0
// Whose connections are translated: processes under the agent's cgroup, outside opted-out network namespaces, by the agent
// of their own node. A server outside the cluster owns the address that a Service claims, so that who is left alone is
// seen to reach that server.

import { beforeAll, describe, expect, test } from 'vitest';
import { both, clusterIp } from '../support/address-plan.ts';
import { Agent } from '../support/agent.ts';
import { createCluster } from '../support/cluster.ts';
import { atLeast } from '../support/kernel-version.ts';
import { Manifests } from '../support/manifests.ts';
import { Place } from '../support/place.ts';
import { startServer, Testbed } from '../support/testbed.ts';
import { Workload } from '../support/workload.ts';

/** Where the server outside listens, and the Service that claims its address. */
const PORT = 8080;
const OUTSIDER = 'outsider';
/** A namespace can opt out where agents can tell one from another. */
const OPT_OUTS = atLeast('5.14');

describe('an agent', () => {
  let bed: Testbed;

  beforeAll(async () => {
    bed = await Testbed.create({
      agentArguments: ({ node1 }) => (OPT_OUTS ? ['--opt-out-netns', node1.pod(2).netnsPath] : []),
    });
    await startServer(bed.cluster, bed.cluster.client, OUTSIDER);
    const { v4, v6 } = bed.cluster.client.address;
    await bed.applied(() =>
      bed.manifests.writeService(
        'claims',
        {
          clusterIPs: both(clusterIp(90)),
          externalIPs: [v4, v6],
          ports: [
            { name: 'http', port: PORT },
            { name: 'dgram', port: PORT, protocol: 'UDP' },
          ],
        },
        bed.endpoints([bed.cluster.node1.pod(1)]),
      ),
    );
    return () => bed[Symbol.asyncDispose]();
  });

  /** Names of the servers that answer over TCP and UDP, IPv4 and IPv6. */
  async function answers(client: Workload): Promise<(string | undefined)[]> {
    const names: (string | undefined)[] = [];
    for (const host of both(bed.cluster.client.address)) {
      names.push((await client.get(host, PORT)).greeting?.name);
      const { id } = await client.call('udp.open', { type: host.includes(':') ? 'udp6' : 'udp4' });
      names.push((await client.call('udp.exchange', { id, host, port: PORT })).greeting?.name);
      await client.call('udp.close', { id });
    }
    return names;
  }

  const all = (name: string): string[] => [name, name, name, name];

  test("translates what the node's pods and its own processes ask for", async () => {
    const { node1 } = bed.cluster;
    for (const place of [node1, node1.pod(1)]) expect(await answers(await bed.at(place))).toEqual(all('pod1-1'));
  });

  test.skipIf(!OPT_OUTS)('leaves a process in an opted-out network namespace alone', async () => {
    expect(await answers(await bed.at(bed.cluster.node1.pod(2)))).toEqual(all(OUTSIDER));
  });

  test('leaves a process under another cgroup alone, in the same network namespace', async () => {
    const { node1, client } = bed.cluster;
    const place = new Place('stranger', node1.netnsPath, client.cgroup, node1.addresses);
    await using stranger = await Workload.start(place);
    expect(await answers(stranger)).toEqual(all(OUTSIDER));
  });

  test('does not start a second time on the same pins, and says what to do', async () => {
    const { node1 } = bed.cluster;
    const second = bed.agent(1).cli('run', '--manifests', bed.manifests.directory, '--cgroup', node1.agentCgroup);
    await expect(second).rejects.toThrow('in use by another bpfsvc; stop that one, or name another --bpffs');
    expect(await answers(await bed.at(node1))).toEqual(all('pod1-1'));
  });
});

test.skipIf(OPT_OUTS)('an agent that is to leave a namespace alone does not start where it cannot', async () => {
  await using cluster = await createCluster();
  const manifests = await Manifests.create(cluster);
  const options = { manifests, arguments: ['--opt-out-netns', cluster.node1.pod(2).netnsPath] };
  await expect(Agent.start(cluster.node1, options)).rejects.toThrow('lacks network namespace seen by the agent');
});

describe('agents side by side on one machine', () => {
  test('serve each their own node, from manifests of their own', async () => {
    await using cluster = await createCluster();
    const address = clusterIp(91);
    for (const node of cluster.nodes) {
      const pod = node.pod(1);
      await startServer(cluster, pod, pod.name);
      const manifests = await Manifests.create(cluster, `manifests-${node.name}`);
      const endpoints = both(pod.address).map((ip) => ({ address: ip, nodeName: node.name }));
      await manifests.writeService(
        'web',
        { clusterIPs: both(address), ports: [{ port: 80, targetPort: PORT }] },
        endpoints,
      );
      cluster.own(await Agent.start(node, { manifests }));
    }
    for (const node of cluster.nodes) {
      const client = cluster.own(await Workload.start(node));
      for (const host of both(address)) {
        expect(await client.get(host, 80)).toMatchObject({ greeting: { name: node.pod(1).name } });
      }
    }
  });
});
