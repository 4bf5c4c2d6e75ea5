// SPDX-License-Identifier: Apache-2.0
// The same results in less memory: what many objects have in common is there once, and every object has one shape. There
// can be ten thousand Services and a hundred thousand endpoints.

import type { EndpointPort, EndpointSlice, EndpointState, Service, ServicePort } from '../../model/types.ts';
import type { ManifestObject, ServiceWants } from './objects.ts';
import type { PieceResult } from './parse.ts';
import { Shared } from './shared.ts';

const NONE: readonly never[] = [];
const NO_ANNOTATIONS: Service['annotations'] = {};

// Field by field everywhere: an object that comes from another process has most of its fields in a second object.
export class Compactor {
  readonly #strings = new Shared<string>((text) => text);
  readonly #states = new Shared<EndpointState>(JSON.stringify);
  readonly #wants = new Shared<ServiceWants>(JSON.stringify);
  readonly #servicePorts = new Shared<readonly ServicePort[]>(JSON.stringify);
  readonly #endpointPorts = new Shared<readonly EndpointPort[]>(JSON.stringify);

  piece({ objects, line, problems, skipped, broken }: PieceResult): PieceResult {
    return {
      objects: objects.map((object) => this.#object(object)),
      line,
      problems: listOf(problems),
      skipped: listOf(skipped),
      broken,
    };
  }

  #object(object: ManifestObject): ManifestObject {
    const { kind, label } = object;
    switch (kind) {
      case 'Node':
        return object;
      case 'Service': {
        const service = object.service === undefined ? undefined : this.#service(object.service);
        return { kind: 'Service', label, service, wants: this.#wants.one(object.wants) };
      }
      default:
        return { kind: this.#string(kind), label, slices: object.slices.map((slice) => this.#slice(slice)) };
    }
  }

  #service(service: Service): Service {
    return {
      namespace: this.#string(service.namespace),
      name: this.#string(service.name),
      type: this.#string(service.type),
      clusterIPs: listOf(service.clusterIPs),
      externalIPs: listOf(service.externalIPs),
      loadBalancerIPs: listOf(service.loadBalancerIPs),
      sourceRanges: listOf(service.sourceRanges),
      ports: this.#servicePorts.one(service.ports),
      internalTrafficPolicy: this.#string(service.internalTrafficPolicy),
      externalTrafficPolicy: this.#string(service.externalTrafficPolicy),
      affinitySeconds: service.affinitySeconds,
      healthCheckNodePort: service.healthCheckNodePort,
      annotations: annotationsOf(service.annotations),
    };
  }

  #slice({ namespace, name, service, family, ports, endpoints, annotations }: EndpointSlice): EndpointSlice {
    return {
      namespace: this.#string(namespace),
      name,
      service: this.#string(service),
      family,
      ports: this.#endpointPorts.one(ports),
      endpoints: endpoints.map(({ address, state }) => ({ address, state: this.#states.one(state) })),
      ...(annotations === undefined ? {} : { annotations }),
    };
  }

  #string<T extends string>(text: T): T {
    return this.#strings.one(text) as T;
  }
}

function annotationsOf(annotations: Service['annotations']): Service['annotations'] {
  return Object.keys(annotations).length === 0 ? NO_ANNOTATIONS : annotations;
}

function listOf<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list;
}
