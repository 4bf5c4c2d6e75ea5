// SPDX-License-Identifier: Apache-2.0
// An agent that is killed and started again, on as little as shows every path: small enough for a slow VM. What a cluster
// under load makes of it is in restart.test.ts.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterIp } from '../support/address-plan.ts';
import { Agent } from '../support/agent.ts';
import type { Cluster, Pod } from '../support/cluster.ts';
import { createCluster } from '../support/cluster.ts';
import { Manifests } from '../support/manifests.ts';
import { BACKEND_PORT, SERVICE_PORT, startServer } from '../support/testbed.ts';
import { Workload } from '../support/workload.ts';

const LOCAL = { name: 'local', ip: clusterIp(1), nodePort: 30001 };
/** The backend is on the other node: SNAT, and forwarding by the next hop. */
const REMOTE = { name: 'remote', ip: clusterIp(2), nodePort: 30002 };

let cluster: Cluster;
let manifests: Manifests;
let agent: Agent;
/** On the node: its sockets are translated when they connect. */
let inside: Workload;
/** Outside: its packets are translated on the node's uplink. */
let outside: Workload;

beforeAll(async () => {
  cluster = await createCluster({ podsPerNode: 1, clientAddresses: 1 });
  const { node1, node2, client } = cluster;
  manifests = await Manifests.create(cluster);
  await expose(LOCAL, node1.pod(1));
  await expose(REMOTE, node2.pod(1));
  agent = cluster.own(await Agent.start(node1, { manifests }));
  for (const pod of [node1.pod(1), node2.pod(1)]) await startServer(cluster, pod, pod.name);
  inside = cluster.own(await Workload.start(node1));
  outside = cluster.own(await Workload.start(client));
});
afterAll(() => cluster[Symbol.asyncDispose]());

async function expose({ name, ip, nodePort }: typeof LOCAL, pod: Pod): Promise<void> {
  const nodeName = cluster.nodes.find((node) => node.pods.includes(pod))?.name ?? '';
  const ports = [{ port: SERVICE_PORT, targetPort: BACKEND_PORT, nodePort }];
  const endpoints = [pod.address.v4, pod.address.v6].map((address) => ({ address, nodeName }));
  await manifests.writeService(name, { type: 'NodePort', clusterIPs: [ip.v4, ip.v6], ports }, endpoints);
}

/** From where, to what, and who answers: each path, over both families. */
function paths(): readonly (readonly [Workload, string, number, string])[] {
  const { node1, node2 } = cluster;
  return (['v4', 'v6'] as const).flatMap((of) => [
    [inside, LOCAL.ip[of], SERVICE_PORT, node1.pod(1).name] as const,
    [outside, node1.address[of], LOCAL.nodePort, node1.pod(1).name] as const,
    [outside, node1.address[of], REMOTE.nodePort, node2.pod(1).name] as const,
  ]);
}

async function connectAll(): Promise<(string | null | undefined)[]> {
  const answers = await Promise.all(paths().map(([from, host, port]) => from.get(host, port)));
  return answers.map(({ failure, greeting }) => failure ?? greeting?.name);
}

describe('an agent that is killed with SIGKILL', () => {
  it('leaves every path open, to old connections and new ones, while it is dead and when it is back', async () => {
    const names = paths().map(([, , , name]) => name);
    const connections = await Promise.all(
      paths().map(async ([from, host, port]) => {
        const { id } = await from.call('connection.open', { host, port });
        return async () => (await from.call('connection.exchange', { id })).greeting?.name;
      }),
    );
    const exchangeAll = () => Promise.all(connections.map((exchange) => exchange()));
    expect(await exchangeAll()).toEqual(names);

    await agent.kill();
    expect(await exchangeAll()).toEqual(names);
    expect(await connectAll()).toEqual(names);

    await agent.start();
    expect(await exchangeAll()).toEqual(names);
    expect(await connectAll()).toEqual(names);
  });

  it('takes up what changed while it was dead', async () => {
    const { node1, node2 } = cluster;
    await agent.kill();
    await expose(LOCAL, node2.pod(1));
    await manifests.remove(REMOTE.name);
    await agent.start();
    const get = async (port: number): Promise<string | null | undefined> => {
      const { failure, greeting } = await outside.get(node1.address.v4, port);
      return failure ?? greeting?.name;
    };
    expect(await get(LOCAL.nodePort)).toBe(node2.pod(1).name);
    expect(await get(REMOTE.nodePort)).toBe('refused');
  });

  it('has the same programs and maps in the kernel as before, but for its own new ones', async () => {
    const status = async (): Promise<Status> => JSON.parse(await agent.cli('status', '-o', 'json')) as Status;
    const before = await status();
    await agent.kill();
    const dead = await status();
    expect(dead.agent.running).toBe(false);
    expect({ ...dead, agent: null }).toEqual({ ...before, agent: null });
    await agent.start();
    const after = await status();
    const places = ({ attachments }: Status): string[] =>
      attachments.map(({ program, to }) => `${program} ${to}`).sort();
    expect(places(after)).toEqual(places(before));
    const ids = ({ attachments }: Status): number[] => attachments.map(({ programId }) => programId);
    expect(ids(after).filter((id) => ids(before).includes(id))).toEqual([]);
  });
});

interface Status {
  readonly agent: { readonly running: boolean };
  readonly attachments: readonly { readonly program: string; readonly programId: number; readonly to: string }[];
}
