// SPDX-License-Identifier: Apache-2.0
// What the scenes act on: the cluster, a server in every pod, an agent on each node, the manifests. It shows nothing.

import type { DualStack } from '../test/support/address-plan.ts';
import { clusterIp } from '../test/support/address-plan.ts';
import { Agent } from '../test/support/agent.ts';
import type { Cluster, Pod } from '../test/support/cluster.ts';
import { Manifests } from '../test/support/manifests.ts';
import type { Place } from '../test/support/place.ts';
import { startServer } from '../test/support/testbed.ts';
import { waitFor } from '../test/support/wait.ts';
import { Workload } from '../test/support/workload.ts';
import type { LoadResult } from '../test/workloads/protocol.ts';
import type { DemoService } from './manifests.ts';
import { endpointsYaml } from './manifests.ts';

export class Stage {
  readonly cluster: Cluster;
  readonly manifests: Manifests;
  readonly agents: readonly [Agent, Agent];
  /** Changed by the scenes: all pods, those of node 1, those of node 2. */
  readonly web: DemoService = { name: 'web', clusterIp: clusterIp(10), nodePort: 30080 };
  readonly near: DemoService = { name: 'near', clusterIp: clusterIp(11), nodePort: 30081 };
  readonly far: DemoService = { name: 'far', clusterIp: clusterIp(12), nodePort: 30082 };

  private constructor(cluster: Cluster, manifests: Manifests, agents: readonly [Agent, Agent]) {
    this.cluster = cluster;
    this.manifests = manifests;
    this.agents = agents;
  }

  static async create(cluster: Cluster): Promise<Stage> {
    const manifests = await Manifests.create(cluster);
    const start = async (node: Cluster['node1']): Promise<Agent> =>
      cluster.own(await Agent.start(node, { manifests, program: 'product' }));
    const servers = Promise.all(cluster.pods.map((pod) => startServer(cluster, pod, pod.name)));
    const agents = await Promise.all([start(cluster.node1), start(cluster.node2)]);
    await servers;
    return new Stage(cluster, manifests, agents);
  }

  async workload(place: Place): Promise<Workload> {
    return this.cluster.own(await Workload.start(place));
  }

  /** In force on both nodes when this resolves. */
  async apply(file: string, text: string): Promise<void> {
    const running = this.agents.filter((agent) => agent.running);
    const marks = running.map((agent) => agent.log.length);
    await this.manifests.writeText(file, text);
    await Promise.all(running.map((agent, n) => agent.event('applied', marks[n])));
  }

  async scale(service: DemoService, pods: readonly Pod[]): Promise<void> {
    await this.apply(`${service.name}-endpoints.yaml`, endpointsYaml(service.name, pods));
  }

  /** New connections without pause, from a pod to the cluster IP and from outside to the NodePort. */
  async load(service: DemoService): Promise<Load> {
    const { client, node1 } = this.cluster;
    const [inside, outside] = await Promise.all([this.workload(node1.pod(1)), this.workload(client)]);
    const paths: [Workload, DualStack, number][] = [
      [inside, service.clusterIp, 80],
      [outside, node1.address, service.nodePort],
    ];
    const runs = paths.flatMap(([workload, { v4, v6 }, port]) =>
      [v4, v6].map(async (host) => {
        const { id } = await workload.call('load.start', { host, port, concurrency: 2 });
        return { workload, id };
      }),
    );
    return new Load(await Promise.all(runs));
  }
}

export type LoadSums = Pick<LoadResult, 'requests' | 'failed' | 'failures' | 'backends'>;

export class Load {
  readonly #runs: readonly { workload: Workload; id: number }[];

  constructor(runs: readonly { workload: Workload; id: number }[]) {
    this.#runs = runs;
  }

  /** Waits until every path has made so many more connections. */
  async more(connections: number): Promise<void> {
    await Promise.all(
      this.#runs.map(async ({ workload, id }) => {
        const requests = async (): Promise<number> => (await workload.call('load.progress', { id })).requests;
        const enough = (await requests()) + connections;
        await waitFor(`${connections} more connections`, async () => (await requests()) >= enough);
      }),
    );
  }

  async stop(): Promise<LoadSums> {
    const results = await Promise.all(this.#runs.map(({ workload, id }) => workload.call('load.stop', { id })));
    const merged = (of: 'failures' | 'backends'): Record<string, number> => {
      const total: Record<string, number> = {};
      for (const [name, count] of results.flatMap((result) => Object.entries(result[of]))) {
        total[name] = (total[name] ?? 0) + count;
      }
      return total;
    };
    const sum = (of: 'requests' | 'failed'): number => results.reduce((total, result) => total + result[of], 0);
    return {
      requests: sum('requests'),
      failed: sum('failed'),
      failures: merged('failures'),
      backends: merged('backends'),
    };
  }
}
