// SPDX-License-Identifier: Apache-2.0
// The objects of one text at once, without files and without waiting: for tests, benches and dry runs.

import type { EndpointSlice, Node, Service } from '../../model/types.ts';
import type { Prefix } from '../../net/prefix.ts';
import { loadText } from './load.ts';
import { ObjectReader } from './objects.ts';
import type { PortRange } from './port-range.ts';
import { DEFAULT_NODE_PORTS } from './port-range.ts';
import type { Problem } from './problem.ts';
import { compareProblems } from './problem.ts';
import { Resolver } from './resolve.ts';

export interface Manifests {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly problems: readonly Problem[];
  /** `apiVersion kind` of objects of other kinds. */
  readonly skipped: readonly string[];
}

export function loadManifests(
  text: string,
  file: string,
  options: { readonly serviceCidrs?: readonly Prefix[]; readonly nodePorts?: PortRange } = {},
): Manifests {
  const nodePorts = options.nodePorts ?? DEFAULT_NODE_PORTS;
  const steps = loadText(text, file, new ObjectReader(nodePorts));
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const loaded = step.value;
  const resolved = new Resolver(options.serviceCidrs ?? [], nodePorts).resolve([{ file, objects: loaded.objects }]);
  return {
    services: [...resolved.services.values()],
    slices: [...resolved.slices.values()],
    nodes: [...resolved.nodes.values()],
    problems: [...loaded.problems, ...resolved.problems].sort(compareProblems),
    skipped: [...loaded.skipped],
  };
}
