// SPDX-License-Identifier: Apache-2.0
// A cluster with a server in every pod, agents on both nodes and Services between them: what most namespace suites start
// from. Addresses and ports are handed out here, so that tests in one file do not meet.

import { both, clusterIp, externalIp } from './address-plan.ts';
import type { DualStack } from './address-plan.ts';
import { Agent } from './agent.ts';
import type { AgentOptions } from './agent.ts';
import type { Cluster, Pod } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { Manifests, slices } from './manifests.ts';
import type { EndpointSpec, KubernetesObject, PortSpec, ServiceSpec } from './objects.ts';
import type { Place } from './place.ts';
import type { ClusterOptions } from './topology.ts';
import { Workload } from './workload.ts';

export interface TestbedOptions extends ClusterOptions {
  readonly program?: AgentOptions['program'];
  readonly agentWrapper?: NonNullable<AgentOptions['wrapper']>;
  readonly agentArguments?: (cluster: Cluster) => readonly string[];
}

/** What every pod's server listens on, TCP and UDP. */
export const BACKEND_PORT = 8080;
/** What Services of a testbed listen on. */
export const SERVICE_PORT = 80;

export interface ServiceHandle {
  readonly name: string;
  readonly clusterIp: DualStack;
  readonly externalIp: DualStack;
  readonly loadBalancerIp: DualStack;
  readonly nodePort: number;
}

export class Testbed implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly manifests: Manifests;
  readonly agents: readonly Agent[];
  readonly #clients = new Map<Place, Promise<Workload>>();
  #services = 0;

  private constructor(cluster: Cluster, manifests: Manifests, agents: readonly Agent[]) {
    this.cluster = cluster;
    this.manifests = manifests;
    this.agents = agents;
  }

  static async create(options: TestbedOptions = {}): Promise<Testbed> {
    const cluster = await createCluster(options);
    try {
      const manifests = await Manifests.create(cluster);
      const agentOptions: AgentOptions = {
        manifests,
        ...(options.program === undefined ? {} : { program: options.program }),
        ...(options.agentArguments === undefined ? {} : { arguments: options.agentArguments(cluster) }),
        ...(options.agentWrapper === undefined ? {} : { wrapper: options.agentWrapper }),
      };
      const servers = Promise.all(cluster.pods.map((pod) => startServer(cluster, pod, pod.name)));
      const agents = await Promise.all(
        cluster.nodes.map(async (node) => cluster.own(await Agent.start(node, agentOptions))),
      );
      await servers;
      return new Testbed(cluster, manifests, agents);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  agent(node: 1 | 2): Agent {
    const agent = this.agents[node - 1];
    if (agent === undefined) throw new Error(`node ${node} has no agent`);
    return agent;
  }

  /** A workload for client operations in this place, shared by the file's tests. */
  at(place: Place): Promise<Workload> {
    let client = this.#clients.get(place);
    if (client === undefined) {
      client = Workload.start(place).then((workload) => this.cluster.own(workload));
      this.#clients.set(place, client);
    }
    return client;
  }

  /** A Service with every kind of address over both families, TCP and UDP, in the maps of both nodes when this resolves. */
  async expose(pods: readonly Pod[], extra: Partial<ServiceSpec> = {}): Promise<ServiceHandle> {
    const n = ++this.#services;
    const handle: ServiceHandle = {
      name: `service-${n}`,
      clusterIp: clusterIp(n),
      externalIp: externalIp(n),
      loadBalancerIp: externalIp(100 + n),
      nodePort: 30000 + n,
    };
    await this.applied(() =>
      this.manifests.writeService(handle.name, { ...serviceSpec(handle), ...extra }, this.endpoints(pods)),
    );
    return handle;
  }

  /** Changes the backends of a Service that `expose` made. */
  async scale(handle: ServiceHandle, pods: readonly Pod[]): Promise<void> {
    await this.setEndpoints(handle, this.endpoints(pods));
  }

  /** The same with conditions of the caller's choice. */
  async setEndpoints(handle: ServiceHandle, endpoints: readonly EndpointSpec[]): Promise<void> {
    await this.applied(() => this.manifests.writeService(handle.name, serviceSpec(handle), endpoints));
  }

  /** Deletes it, until a change of its backends brings it again. */
  async withdraw(handle: ServiceHandle): Promise<void> {
    await this.applied(() => this.manifests.remove(handle.name));
  }

  /** More slices of a Service that `expose` made, to stand in a file of their own. */
  slicesOf(handle: ServiceHandle, pods: readonly Pod[]): KubernetesObject[] {
    return slices(handle.name, serviceSpec(handle).ports, this.endpoints(pods)).map((slice) => ({
      ...slice,
      metadata: { ...slice.metadata, name: `more-${slice.metadata.name}` },
    }));
  }

  /** Of a Service that `expose` made. */
  serviceSpec(handle: ServiceHandle): ServiceSpec {
    return serviceSpec(handle);
  }

  /** Makes a change and waits until every running agent has applied something since. */
  async applied(change: () => Promise<void>): Promise<void> {
    const marks = this.agents.filter(({ running }) => running).map((agent) => ({ agent, from: agent.log.length }));
    await change();
    await Promise.all(marks.map(({ agent, from }) => agent.event('applied', from)));
  }

  endpoints(pods: readonly Pod[]): EndpointSpec[] {
    return pods.flatMap((pod) => {
      const nodeName = this.cluster.nodes.find((node) => node.pods.includes(pod))?.name;
      return [pod.address.v4, pod.address.v6].map((address) => ({
        address,
        ...(nodeName === undefined ? {} : { nodeName }),
      }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** A process of its own, so that clients under load do not slow it. */
export async function startServer(cluster: Cluster, place: Place, name: string): Promise<Workload> {
  const server = cluster.own(await Workload.start(place));
  await server.call('http.listen', { name, port: BACKEND_PORT });
  await server.call('udp.listen', { name, port: BACKEND_PORT });
  return server;
}

// --- internal ---

function serviceSpec(handle: ServiceHandle): ServiceSpec {
  const port = { port: SERVICE_PORT, targetPort: BACKEND_PORT, nodePort: handle.nodePort };
  const ports: PortSpec[] = [
    { name: 'http', protocol: 'TCP', ...port },
    { name: 'dgram', protocol: 'UDP', ...port },
  ];
  return {
    type: 'LoadBalancer',
    clusterIPs: both(handle.clusterIp),
    externalIPs: both(handle.externalIp),
    loadBalancerIPs: both(handle.loadBalancerIp),
    ports,
  };
}
