// SPDX-License-Identifier: Apache-2.0
// Devices inside a node: dummy devices, which hold addresses and carry nothing, and netkit, behind which pods live as they
// do behind veth.

import { beforeAll, describe, expect, test } from 'vitest';
import type { DualStack } from '../support/address-plan.ts';
import { both, nodeAddress, podAddress } from '../support/address-plan.ts';
import { Pod } from '../support/cluster.ts';
import { run } from '../support/command.ts';
import { present } from '../support/kernel-kinds.ts';
import { makeCgroup } from '../support/leftovers.ts';
import { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, startServer, Testbed } from '../support/testbed.ts';
import { wireLines } from '../support/uplink-kinds.ts';
import { waitFor } from '../support/wait.ts';

const kinds = await present({
  dummy: 'ip link add probe type dummy',
  netkit: 'ip link add probe type netkit',
});

let bed: Testbed;

beforeAll(async () => {
  bed = await Testbed.create({ agentArguments: () => ['--devices', 'eth0,dummy*'] });
  return () => bed[Symbol.asyncDispose]();
});

/** From outside by either node, from pods of both and from the node, over both families: everybody is answered by it. */
async function isReached(service: ServiceHandle, name: string): Promise<void> {
  const { node1, node2, client } = bed.cluster;
  const outside = await bed.at(client);
  for (const node of [node1, node2]) {
    for (const host of both(node.address)) expect(await answer(outside, host, service.nodePort)).toBe(name);
  }
  for (const place of [node1.pod(1), node1, node2.pod(1)]) {
    const workload = await bed.at(place);
    for (const host of both(service.clusterIp)) expect(await answer(workload, host, SERVICE_PORT)).toBe(name);
  }
}

async function answer(
  from: Awaited<ReturnType<Testbed['at']>>,
  host: string,
  port: number,
): Promise<string | undefined> {
  const { failure, greeting } = await from.get(host, port);
  return failure ?? greeting?.name;
}

/** A pod of node 1 that stands nowhere in the manifests. */
async function extraPod(name: string, device: string, address: DualStack): Promise<Pod> {
  const { node1, prefix } = bed.cluster;
  await run('ip', ['netns', 'add', `${prefix}-${name}`]);
  const cgroup = makeCgroup(`${node1.agentCgroup}/${name}`);
  return new Pod(new Place(name, `/run/netns/${prefix}-${name}`, cgroup, [address]), device);
}

describe.skipIf(!kinds.has('netkit'))('a pod behind netkit', () => {
  let service: ServiceHandle;
  let pod: Pod;

  beforeAll(async () => {
    const { node1, prefix } = bed.cluster;
    pod = await extraPod('behind-netkit', 'pod9', podAddress(1, 9));
    const { v4, v6 } = pod.address;
    await node1.ip(
      ...wireLines('netkit', pod.device, 'eth0', `${prefix}-${pod.name}`),
      `link set ${pod.device} up`,
      `route add ${v4}/32 dev ${pod.device} scope link`,
      `route add ${v6}/128 dev ${pod.device}`,
    );
    // It has no link layer addresses to ask for: whatever is sent arrives at the other end.
    await pod.ip(
      'link set lo up',
      'link set eth0 up',
      `addr add ${v4}/32 dev eth0`,
      `addr add ${v6}/128 dev eth0 nodad`,
      'route add default dev eth0 scope link',
      'route add ::/0 dev eth0',
    );
    await startServer(bed.cluster, pod, pod.name);
    service = await bed.expose([]);
    const ports = [{ name: 'http', port: SERVICE_PORT, targetPort: 8080 }];
    await bed.applied(() => bed.manifests.writeEndpoints(service.name, ports, endpoints(pod)));
  });

  test('is a backend', () => isReached(service, pod.name));

  test('reaches Services', async () => {
    const { node1, node2 } = bed.cluster;
    const workload = await bed.at(pod);
    for (const backend of [node1.pod(2), node2.pod(2)]) {
      const other = await bed.expose([backend]);
      for (const host of both(other.clusterIp)) expect(await answer(workload, host, SERVICE_PORT)).toBe(backend.name);
    }
    for (const host of both(service.clusterIp)) expect(await answer(workload, host, SERVICE_PORT)).toBe(pod.name);
  });
});

describe.skipIf(!kinds.has('dummy'))('a dummy device', () => {
  /** Routed to node 1. */
  const HELD = nodeAddress(30, 11);

  beforeAll(async () => {
    const { node1, fabric } = bed.cluster;
    await node1.ip(
      'link add dummy0 type dummy',
      'link set dummy0 up',
      `addr add ${HELD.v4}/32 dev dummy0`,
      `addr add ${HELD.v6}/128 dev dummy0 nodad`,
    );
    await fabric
      .get('fabric')
      ?.ip(...both(HELD).map((address, n) => `route add ${address} via ${both(node1.address)[n] ?? ''}`));
    await bed.agent(1).event('attached to uplinks', 1);
  });

  test('has NodePorts on its addresses, for the outside, the node and pods', async () => {
    const { node1, node2, client } = bed.cluster;
    const service = await bed.expose(node2.pods.slice(0, 1));
    for (const place of [client, node1, node1.pod(1)]) {
      const workload = await bed.at(place);
      for (const host of both(HELD)) {
        await waitFor(`${host} to be a node address`, async () => {
          return (await answer(workload, host, service.nodePort)) === node2.pod(1).name;
        });
      }
    }
  });

  test('holds the address of a backend', async () => {
    const { node1 } = bed.cluster;
    const backend = new Pod(new Place('on-dummy', node1.netnsPath, node1.cgroup, [HELD]), 'dummy0');
    await startServer(bed.cluster, backend, backend.name);
    const service = await bed.expose([]);
    const ports = [{ name: 'http', port: SERVICE_PORT, targetPort: 8080 }];
    await bed.applied(() => bed.manifests.writeEndpoints(service.name, ports, endpoints(backend)));
    await isReached(service, backend.name);
  });

  test('takes its doors with it when it goes, and no other', async () => {
    const { node1 } = bed.cluster;
    const status = async (): Promise<string> => (await bed.agent(1).cli('status')).replaceAll(/ {2,}/g, ' ');
    expect(await status()).toContain('device dummy0');
    const mark = bed.agent(1).log.length;
    await node1.ip('link del dummy0');
    await bed.agent(1).event('detached from devices', mark);
    expect(await status()).not.toContain('dummy0');
    expect(await status()).toContain('device eth0');
  });
});

function endpoints({ address }: Pod): { address: string; nodeName: string }[] {
  return both(address).map((text) => ({ address: text, nodeName: 'node1' }));
}
