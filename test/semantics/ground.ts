// SPDX-License-Identifier: Apache-2.0
// What rules are seen on: a two-node cluster with servers everywhere, agents with the settings of an environment, and
// clients by vantage and path. A change is made when both agents have it in their maps. It knows no rule.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { probeDatapathFeatures } from '../../src/kernel/features.ts';
import { findDatapath, PinnedDatapath } from '../../src/observe/pinned-datapath.ts';
import { readDrops } from '../../src/observe/status.ts';
import { Proto } from '../../src/abi/enums.gen.ts';
import { both, podCidr } from '../support/address-plan.ts';
import { Agent } from '../support/agent.ts';
import type { Cluster, ClusterNode } from '../support/cluster.ts';
import { createCluster } from '../support/cluster.ts';
import { Manifests } from '../support/manifests.ts';
import type { KubernetesObject } from '../support/objects.ts';
import { node as nodeObject, service } from '../support/objects.ts';
import { Place } from '../support/place.ts';
import { addressOf } from '../support/prog-addresses.ts';
import { waitFor } from '../support/wait.ts';
import { Workload } from '../support/workload.ts';
import { BACKEND_PORT, ELSEWHERE, PODS_PER_NODE, SECOND_PORT, ZONE_LABEL, ZONES } from './cast.ts';
import type { Environment, Path, Vantage } from './rule.ts';

/** Two processes may share an address; neither NodePorts nor SNAT have any of these. */
const SOURCE_PORTS: Readonly<Record<Path, { first: number; last: number }>> = {
  socket: { first: 10_000, last: 29_999 },
  packet: { first: 33_000, last: 48_999 },
};

export class Ground implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly manifests: Manifests;
  #agents: Agent[] = [];
  #datapaths: readonly PinnedDatapath[] = [];
  readonly #clients = new Map<string, Promise<Workload>>();
  readonly #sentinels = new Map<string, number>();
  #changes = 0;
  #saysWhy: boolean | undefined;

  private constructor(cluster: Cluster, manifests: Manifests) {
    this.cluster = cluster;
    this.manifests = manifests;
  }

  static async create(): Promise<Ground> {
    const cluster = await createCluster({ podsPerNode: PODS_PER_NODE });
    try {
      const manifests = await Manifests.create(cluster);
      const ground = new Ground(cluster, manifests);
      // Deprecated, so that IPv6 does not prefer it as a source.
      const { v4, v6 } = ELSEWHERE.second;
      await cluster.node1.ip(`addr add ${v4}/24 dev eth0`, `addr add ${v6}/64 dev eth0 nodad preferred_lft 0`);
      await ground.#startServers();
      return ground;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Agents with other settings take the place of those that run; Services stay. */
  async settle(environment: Environment): Promise<void> {
    await this.#stopAgents();
    const config = join(this.cluster.directory, 'config.yaml');
    const pod = this.cluster.node1.pod(3);
    await writeFile(config, configuration(environment.kubeProxy ?? {}));
    await this.manifests.write('nodes', ...nodeObjects(this.cluster, environment.node));
    const args = [
      '--config',
      config,
      '--pod-devices',
      'pod*',
      ...(environment.arguments ?? []).map((text) => text.replace('{netns of pod}', pod.netnsPath)),
    ];
    const start = async (node: ClusterNode): Promise<void> => {
      this.#agents.push(await Agent.start(node, { manifests: this.manifests, arguments: args }));
    };
    const failures = (await Promise.allSettled(this.cluster.nodes.map(start))).filter(
      ({ status }) => status === 'rejected',
    );
    if (failures[0]?.status === 'rejected') throw failures[0].reason;
    this.#agents.sort((a, b) => a.node.number - b.node.number);
    this.#datapaths = this.cluster.nodes.map(({ bpffs }) => new PinnedDatapath(findDatapath(bpffs)));
  }

  /** The agent of this node dies, and comes back after a change. */
  async restart(file: string, objects: readonly KubernetesObject[]): Promise<void> {
    await this.#agents[0]?.kill();
    await this.manifests.write(file, ...objects);
    await this.#agents[0]?.start();
  }

  /** Writes objects as one file and waits until both agents have applied them. */
  async apply(file: string, objects: readonly KubernetesObject[]): Promise<void> {
    const port = ++this.#changes;
    const address = this.#sentinelOf(file);
    const sentinel = service(`sentinel-${file}`, { clusterIPs: [address], ports: [{ port }] });
    const marks = this.#agents.map(({ log }) => log.length);
    await this.manifests.write(file, ...objects, sentinel);
    const key = { addr: addressOf(address), port, proto: Proto.Tcp };
    for (const [n, agent] of this.#agents.entries()) {
      const has = (): boolean => this.#datapath(n).maps.frontends.get(key) !== undefined;
      await waitFor(`change ${port} in the maps of ${agent.node.name}`, has, { intervalMs: 2 }).catch(
        (cause: unknown) => {
          throw new Error(agent.tail(), { cause });
        },
      );
      // The sentinel may be there before the rest of its round.
      await agent.event('applied', marks[n]);
    }
  }

  /** The host outside answers there, too: so that who is left alone is answered. */
  async listenOutside(ports: readonly number[]): Promise<void> {
    const outside = await this.client('outside', 'packet');
    for (const port of ports) await outside.call('greet.listen', { name: 'outside', port });
  }

  async applyNode(labels: Environment['node']): Promise<void> {
    await this.apply('nodes', nodeObjects(this.cluster, labels));
  }

  /** Where a rule's client runs; started when it is first asked for. */
  client(from: Vantage, path: Path): Promise<Workload> {
    const { node1, node2, client } = this.cluster;
    switch (from) {
      case 'pod':
        return this.#at(path === 'socket' ? node1.pod(3) : unseen(node1.pod(3), client), path);
      case 'near1':
        return this.#at(path === 'socket' ? node1.pod(1) : unseen(node1.pod(1), client), path);
      case 'host':
        return this.#at(node1);
      case 'far':
        return this.#at(node2.pod(3));
      case 'far host':
        return this.#at(node2);
      case 'outside':
        return this.#at(client);
    }
  }

  /** Packets and connects that either node refused or dropped, for whatever reason. */
  drops(): bigint {
    return this.#datapaths.flatMap(readDrops).reduce((sum, { packets }) => sum + packets, 0n);
  }

  /** How a connect() fails: without bpf_set_retval a hook can say no, but not why. */
  errnoOf(failure: string): string {
    this.#saysWhy ??= probeDatapathFeatures().setRetval;
    return this.#saysWhy ? failure : 'EPERM';
  }

  openThisNode(): PinnedDatapath {
    return new PinnedDatapath(findDatapath(this.cluster.node1.bpffs));
  }

  /** What the agent of this node has complained of. */
  complaints(service: string): string[] {
    const named = new RegExp(`\\b${service}\\b`);
    const lines = this.#agents[0]?.log ?? [];
    return lines
      .filter(({ level }) => level >= 40)
      .map((line) => JSON.stringify(line))
      .filter((line) => named.test(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopAgents();
    await this.cluster[Symbol.asyncDispose]();
  }

  // --- internal ---

  /** In each file a Service of its own, whose port says which change it came with. */
  #sentinelOf(file: string): string {
    const n = this.#sentinels.get(file) ?? this.#sentinels.size + 1;
    this.#sentinels.set(file, n);
    return `198.19.0.${n}`;
  }

  async #stopAgents(): Promise<void> {
    for (const datapath of this.#datapaths) datapath[Symbol.dispose]();
    this.#datapaths = [];
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    this.#agents = [];
  }

  #datapath(n: number): PinnedDatapath {
    const datapath = this.#datapaths[n];
    if (datapath === undefined) throw new Error(`node ${n + 1} has no datapath`);
    return datapath;
  }

  #at(place: Place, path: Path = 'socket'): Promise<Workload> {
    const key = `${place.netnsPath} ${place.cgroup}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = Workload.start(place).then(async (workload) => {
        // A port that a flow had a moment ago has a rule of its own.
        await workload.call('probe.ports', SOURCE_PORTS[path]);
        return this.cluster.own(workload);
      });
      this.#clients.set(key, client);
    }
    return client;
  }

  async #startServers(): Promise<void> {
    const { node1, node2, client } = this.cluster;
    const servers: [string, Place][] = [
      ['near1', node1.pod(1)],
      ['near2', node1.pod(2)],
      ['far1', node2.pod(1)],
      ['far2', node2.pod(2)],
      ['host1', node1],
      ['host2', node2],
      ['outside', client],
    ];
    await Promise.all(
      servers.map(async ([name, place]) => {
        const workload = await this.#at(place);
        // A datagram to a second address is answered from there only by a socket that is bound to it.
        const also = name === 'host1' ? both(ELSEWHERE.second) : [];
        await workload.call('greet.listen', { name, port: BACKEND_PORT, also });
        await workload.call('greet.listen', { name: `${name}:${SECOND_PORT}`, port: SECOND_PORT, also });
      }),
    );
  }
}

/** As if in a machine of its own: in the pod's network, but in no cgroup that the agent sees. */
function unseen(pod: Place, outside: Place): Place {
  return new Place(`${pod.name} unseen`, pod.netnsPath, outside.cgroup, pod.addresses);
}

function nodeObjects(cluster: Cluster, labels: Environment['node']): KubernetesObject[] {
  return cluster.nodes.map(({ name, number, address }: ClusterNode) => {
    const cidrs = podCidr(number);
    const object = nodeObject(name, [address.v4, address.v6], [cidrs.v4, cidrs.v6]);
    const zone = { [ZONE_LABEL]: ZONES[number - 1] ?? '' };
    return { ...object, metadata: { ...object.metadata, labels: number === 1 ? (labels ?? zone) : zone } };
  });
}

function configuration(kubeProxy: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    ...kubeProxy,
  });
}
