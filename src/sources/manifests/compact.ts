// SPDX-License-Identifier: Apache-2.0
// The same results in less memory: endpoints as objects of one shape, and one string for each node and zone. There can
// be a hundred thousand endpoints, on a hundred nodes.

import type { Endpoint, EndpointSlice } from '../../model/types.ts';
import type { ManifestObject } from './objects.ts';
import type { PieceResult } from './parse.ts';

const NONE: readonly string[] = [];

export class Compactor {
  readonly #strings = new Map<string, string>();

  piece(result: PieceResult): PieceResult {
    return { ...result, objects: result.objects.map((object) => this.#object(object)) };
  }

  #object(object: ManifestObject): ManifestObject {
    if (object.kind === 'Service' || object.kind === 'Node') return object;
    return { ...object, slices: object.slices.map((slice) => this.#slice(slice)) };
  }

  #slice(slice: EndpointSlice): EndpointSlice {
    return { ...slice, endpoints: slice.endpoints.map((endpoint) => this.#endpoint(endpoint)) };
  }

  // Field by field: an object that comes from another thread has its fields in a second object.
  #endpoint(endpoint: Endpoint): Endpoint {
    return {
      address: endpoint.address,
      ready: endpoint.ready,
      serving: endpoint.serving,
      terminating: endpoint.terminating,
      nodeName: this.#once(endpoint.nodeName),
      zone: this.#once(endpoint.zone),
      forZones: endpoint.forZones.length === 0 ? NONE : endpoint.forZones.map((zone) => this.#once(zone)),
      forNodes: endpoint.forNodes.length === 0 ? NONE : endpoint.forNodes.map((node) => this.#once(node)),
    };
  }

  #once(text: string): string {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    this.#strings.set(text, text);
    return text;
  }
}
