// SPDX-License-Identifier: Apache-2.0
// A two-node cluster in network namespaces with an outside client, for tests, demo and bench: addresses, routes, cgroups and
// a bpffs mount per node. It starts no agent and no server (agent.ts, workload.ts), and is gone when it is disposed of.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { cgroupMount, claimPrefix, makeCgroup, removeEverything, scratchDirectory, sweepDead } from './leftovers.ts';
import { Place, sysctlScript } from './place.ts';
import type { ClusterOptions, NamespacePlan, PodPlan, TopologyPlan, VethPlan } from './topology.ts';
import { planTopology } from './topology.ts';

/** The host of a node; its pods' cgroups lie under `agentCgroup`, as on a real node. */
export class ClusterNode extends Place {
  readonly number: 1 | 2;
  readonly bpffs: string;
  readonly agentCgroup: string;
  readonly pods: readonly Pod[];

  constructor(place: Place, number: 1 | 2, bpffs: string, agentCgroup: string, pods: readonly Pod[]) {
    super(place.name, place.netnsPath, place.cgroup, place.addresses);
    this.number = number;
    this.bpffs = bpffs;
    this.agentCgroup = agentCgroup;
    this.pods = pods;
  }

  pod(n: number): Pod {
    const pod = this.pods[n - 1];
    if (pod === undefined) throw new Error(`${this.name} has no pod ${n}`);
    return pod;
  }
}

export class Pod extends Place {
  /** The node's end of the veth pair. */
  readonly device: string;

  constructor(place: Place, device: string) {
    super(place.name, place.netnsPath, place.cgroup, place.addresses);
    this.device = device;
  }
}

export class Cluster implements AsyncDisposable {
  readonly prefix: string;
  readonly directory: string;
  readonly client: Place;
  readonly node1: ClusterNode;
  readonly node2: ClusterNode;
  /** The routers between them, by name. */
  readonly fabric: ReadonlyMap<string, Place>;
  readonly #owned = new AsyncDisposableStack();

  constructor(prefix: string, plan: TopologyPlan) {
    this.prefix = prefix;
    this.directory = scratchDirectory(prefix);
    const root = cgroupMount();
    const place = (name: string, cgroup: string, addresses: Place['addresses']): Place =>
      new Place(name, `/run/netns/${prefix}-${name}`, join(root, cgroup), addresses);
    const node = (number: 1 | 2): ClusterNode => {
      const name = `node${number}` as const;
      const pods = plan.pods.filter((pod) => pod.node === number);
      return new ClusterNode(
        place(name, `${prefix}-${name}/host`, plan.hosts[name].addresses),
        number,
        join(this.directory, name, 'bpffs'),
        join(root, `${prefix}-${name}`),
        pods.map(
          (pod: PodPlan) => new Pod(place(pod.name, `${prefix}-${name}/${pod.name}`, [pod.address]), pod.device),
        ),
      );
    };
    this.client = place('client', `${prefix}-outside`, plan.hosts.client.addresses);
    this.node1 = node(1);
    this.node2 = node(2);
    const inside = new Set([this.client, ...this.nodes, ...this.pods].map(({ name }) => name));
    const routers = plan.namespaces.filter(({ name }) => !inside.has(name));
    this.fabric = new Map(routers.map(({ name }) => [name, place(name, `${prefix}-outside`, [])]));
  }

  get nodes(): readonly ClusterNode[] {
    return [this.node1, this.node2];
  }

  get pods(): readonly Pod[] {
    return this.nodes.flatMap((node) => node.pods);
  }

  /** Disposed of before the namespaces go, last first. */
  own<T extends AsyncDisposable>(resource: T): T {
    return this.#owned.use(resource);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#owned.disposeAsync();
    } finally {
      removeEverything(this.prefix);
    }
  }
}

export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  sweepDead();
  const plan = planTopology(options);
  const prefix = claimPrefix();
  try {
    const cluster = new Cluster(prefix, plan);
    await makeNamespaces(prefix, plan);
    for (const { cgroup } of [...cluster.pods, ...cluster.nodes, cluster.client]) makeCgroup(cgroup);
    await Promise.all(cluster.nodes.map(({ bpffs }) => mountBpffs(bpffs)));
    if (options.realChecksums === true) await computeChecksums(cluster);
    return cluster;
  } catch (error) {
    removeEverything(prefix);
    throw error;
  }
}

// --- internal ---

async function makeNamespaces(prefix: string, plan: TopologyPlan): Promise<void> {
  await run('ip', ['-batch', '-'], lines(plan.namespaces.map(({ name }) => `netns add ${prefix}-${name}`)));
  const inEach = async (script: (namespace: NamespacePlan) => string): Promise<void> => {
    await Promise.all(
      plan.namespaces.map((n) => run('nsenter', [`--net=/run/netns/${prefix}-${n.name}`, 'sh'], script(n))),
    );
  };
  await inEach(({ sysctls }) => sysctlScript(sysctls));
  // The kernel announces a veth's carrier at once only if its index differs from its peer's; else up to a second later.
  let index = 10;
  const end = ({ namespace, device }: VethPlan['a']): string =>
    `name ${device} index ${++index} netns ${prefix}-${namespace}`;
  const pairs = plan.veths.map(({ a, b }) => `link add ${end(a)} type veth peer ${end(b)}`);
  await run('ip', ['-batch', '-'], lines(pairs));
  await inEach(({ ip }) => `ip -batch - <<'END'\n${lines(ip)}END`);
  await inEach(({ deviceSysctls }) => sysctlScript(deviceSysctls));
}

async function mountBpffs(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'bpf', 'bpf', path]);
}

/** Segmentation offload goes with it: a large packet without a finished checksum cannot be cut later. */
async function computeChecksums(cluster: Cluster): Promise<void> {
  const hosts = [cluster.client, ...cluster.nodes, ...cluster.pods];
  await Promise.all(hosts.map((host) => host.run('ethtool', ['-K', 'eth0', 'tx', 'off'])));
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('');
}
