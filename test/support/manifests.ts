// SPDX-License-Identifier: Apache-2.0
// A directory of manifests as an operator's tools write it: whole files, put in place by rename. Written as JSON, which is
// YAML too; tests of YAML itself write their own text.

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster, ClusterNode } from './cluster.ts';
import { podCidr } from './address-plan.ts';
import { endpointSlice, node } from './objects.ts';
import type { EndpointSpec, KubernetesObject, PortSpec, ServiceSpec } from './objects.ts';
import { service } from './objects.ts';

export class Manifests {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** With the cluster's Nodes in it. */
  static async create(cluster: Cluster, name = 'manifests'): Promise<Manifests> {
    const manifests = new Manifests(join(cluster.directory, name));
    await mkdir(manifests.directory, { recursive: true });
    await manifests.write('nodes', ...cluster.nodes.map(nodeObject));
    return manifests;
  }

  async write(name: string, ...objects: readonly KubernetesObject[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await this.writeText(`${name}.yaml`, JSON.stringify(list, undefined, 1));
  }

  async writeText(file: string, text: string): Promise<void> {
    const temporary = join(this.directory, `.${file}.tmp`);
    await writeFile(temporary, text);
    await rename(temporary, join(this.directory, file));
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.directory, `${name}.yaml`));
  }

  /** A Service and one slice for each family that has endpoints. */
  async writeService(name: string, spec: ServiceSpec, endpoints: readonly EndpointSpec[]): Promise<void> {
    await this.write(name, service(name, spec), ...slices(name, spec.ports, endpoints));
  }

  /** The slices of a Service in a file of their own, so that only they change. */
  async writeEndpoints(name: string, ports: readonly PortSpec[], endpoints: readonly EndpointSpec[]): Promise<void> {
    await this.write(`${name}-endpoints`, ...slices(name, ports, endpoints));
  }
}

/** Both families, with or without endpoints: a slice that is there and empty is the usual state of a Service scaled to 0. */
export function slices(
  name: string,
  ports: readonly PortSpec[],
  endpoints: readonly EndpointSpec[],
): KubernetesObject[] {
  const isV6 = ({ address }: EndpointSpec): boolean => address.includes(':');
  return [
    endpointSlice(
      name,
      4,
      ports,
      endpoints.filter((endpoint) => !isV6(endpoint)),
    ),
    endpointSlice(name, 6, ports, endpoints.filter(isV6)),
  ];
}

// --- internal ---

function nodeObject({ name, number, address }: ClusterNode): KubernetesObject {
  return node(name, [address.v4, address.v6], [podCidr(number).v4, podCidr(number).v6]);
}
