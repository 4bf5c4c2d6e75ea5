// SPDX-License-Identifier: Apache-2.0
// Interfaces and addresses that come and go while the agent runs: it hears of them from the kernel, nobody tells it.

import { beforeAll, expect, test } from 'vitest';
import { both, nodeAddress, SHARED_SEGMENT } from '../support/address-plan.ts';
import type { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import { waitFor } from '../support/wait.ts';
import { Workload } from '../support/workload.ts';

let bed: Testbed;
let service: ServiceHandle;
let outside: Workload;

beforeAll(async () => {
  bed = await Testbed.create({ agentArguments: () => ['--devices', 'eth*'] });
  service = await bed.expose(bed.cluster.pods);
  outside = await bed.at(bed.cluster.client);
  return () => bed[Symbol.asyncDispose]();
});

async function reaches(workload: Workload, host: string, port: number): Promise<void> {
  await waitFor(`an answer from ${host}`, async () => (await workload.get(host, port, 1000)).failure === null);
}

async function isRefusedAt(workload: Workload, host: string, port: number): Promise<void> {
  await waitFor(`a refusal from ${host}`, async () => (await workload.get(host, port, 1000)).failure === 'refused');
}

test('NodePorts answer on an address that the node gets, and stop when it goes', async () => {
  const { node1 } = bed.cluster;
  const added = nodeAddress(SHARED_SEGMENT, 111);
  const host = await bed.at(node1);
  await node1.ip(`addr add ${added.v4}/24 dev eth0`, `addr add ${added.v6}/64 dev eth0 nodad preferred_lft 0`);
  for (const address of both(added)) {
    await reaches(outside, address, service.nodePort);
    await reaches(host, address, service.nodePort);
  }
  await node1.ip(`addr del ${added.v4}/24 dev eth0`, `addr del ${added.v6}/64 dev eth0`);
  // The router takes it over, so that something still answers there.
  const router = fabric();
  await router.ip(`addr add ${added.v4}/32 dev br0`, `addr add ${added.v6}/128 dev br0 nodad`);
  for (const address of both(added)) {
    await isRefusedAt(outside, address, service.nodePort);
    await isRefusedAt(host, address, service.nodePort);
  }
});

test('an interface that appears is served, and its disappearance disturbs no other', async () => {
  const { node1, prefix } = bed.cluster;
  const router = fabric();
  const [near, far] = [
    { v4: '198.18.20.11', v6: '2001:db8:a:20::b' },
    { v4: '198.18.20.1', v6: '2001:db8:a:20::1' },
  ];
  await router.ip(
    `link add name second type veth peer name eth1 netns ${prefix}-node1`,
    `addr add ${far.v4}/24 dev second`,
    `addr add ${far.v6}/64 dev second nodad`,
    'link set second up',
  );
  await node1.ip(`addr add ${near.v4}/24 dev eth1`, `addr add ${near.v6}/64 dev eth1 nodad`, 'link set eth1 up');
  const client = bed.cluster.own(await Workload.start(router));
  for (const address of both(near)) await reaches(client, address, service.nodePort);
  await router.ip('link del second');
  expect(await outside.get(node1.address.v4, service.nodePort)).toMatchObject({ failure: null });
  expect(await outside.get(service.loadBalancerIp.v6, SERVICE_PORT)).toMatchObject({ failure: null });
});

test('an uplink that is replaced under the same name is served again', async () => {
  const { node2, prefix } = bed.cluster;
  const router = fabric();
  await router.ip(
    'link del to-node2',
    `link add name to-node2 type veth peer name eth0 netns ${prefix}-node2`,
    'link set to-node2 up master br0',
  );
  await node2.ip(
    'link set eth0 up',
    `addr add ${node2.address.v4}/24 dev eth0`,
    `addr add ${node2.address.v6}/64 dev eth0 nodad`,
    `route add default via ${nodeAddress(SHARED_SEGMENT, 1).v4}`,
    `route add ::/0 via ${nodeAddress(SHARED_SEGMENT, 1).v6}`,
  );
  for (const address of both(node2.address)) await reaches(outside, address, service.nodePort);
});

function fabric(): Place {
  const router = bed.cluster.fabric.get('fabric');
  if (router === undefined) throw new Error('no router');
  return router;
}
