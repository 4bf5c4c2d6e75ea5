// SPDX-License-Identifier: Apache-2.0
// The objects of all files together: who is there twice, who gets which address, and which endpoints are not to be
// used. Knows no text and no store; what did not change comes out as the same object as before.

import type { EndpointSlice, Node, ObjectKey, Service } from '../../model/types.ts';
import { objectKey } from '../../model/types.ts';
import type { Address } from '../../net/ip.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { Draft, Holding } from './allocate.ts';
import { Allocator } from './allocate.ts';
import type { PlacedObject } from './load.ts';
import type { ServiceObjectRead, SlicesRead } from './objects.ts';
import type { PortRange } from './port-range.ts';
import type { FieldPath, Problem } from './problem.ts';
import { fieldText } from './problem.ts';

export interface FileObjects {
  readonly file: string;
  readonly objects: readonly PlacedObject[];
}

export interface Resolved {
  readonly services: ReadonlyMap<ObjectKey, Service>;
  /** By `namespace/service/name`. */
  readonly slices: ReadonlyMap<string, EndpointSlice>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly problems: readonly Problem[];
  /** Objects that are refused and have no last good state. */
  readonly lost: readonly Lost[];
}

export interface Lost {
  /** `web.yaml:12 (Service default/web)` */
  readonly place: string;
  readonly service: ObjectKey;
}

interface Placed<T> {
  readonly file: string;
  readonly line: number;
  readonly object: T;
}

type Owners = ReadonlyMap<Address, ObjectKey>;

export class Resolver {
  readonly #allocator: Allocator;
  #last: Resolved = { services: new Map(), slices: new Map(), nodes: new Map(), problems: [], lost: [] };
  /** Slices that were checked against all cluster IPs of the last time. */
  #sound: ReadonlySet<EndpointSlice> = new Set();
  #clusterIPs: Owners = new Map();

  constructor(serviceCidrs: readonly Prefix[], nodePorts: PortRange) {
    this.#allocator = new Allocator(serviceCidrs, nodePorts);
  }

  /**
   * The first of several objects with one name counts: files in the order given, objects in that of the file. What
   * Services hold that may be in files which nobody can read is given to no other.
   */
  resolve(files: readonly FileObjects[], held: Iterable<Holding> = []): Resolved {
    const problems: Problem[] = [];
    const lost: Lost[] = [];
    const objects = unique(files, problems);
    const drafts = new Map<ObjectKey, Placed<ServiceObjectRead & Draft>>();
    const slices: Placed<SlicesRead>[] = [];
    const nodes = new Map<string, Node>();
    for (const placed of objects.values()) {
      const { object } = placed;
      if (object.kind === 'Node') nodes.set(object.node.name, object.node);
      else if (object.kind !== 'Service') slices.push({ ...placed, object });
      else if (isDraft(object)) drafts.set(objectKey(object.service), { ...placed, object });
    }
    const services = this.#services(drafts, held, problems, lost);
    const resolved = { services, slices: this.#slices(slices, services, problems, lost), nodes, problems, lost };
    this.#last = resolved;
    return resolved;
  }

  #services(
    drafts: ReadonlyMap<ObjectKey, Placed<ServiceObjectRead & Draft>>,
    held: Iterable<Holding>,
    problems: Problem[],
    lost: Lost[],
  ) {
    const { services, refused } = this.#allocator.assign(
      new Map(Array.from(drafts, ([key, { object }]) => [key, object])),
      held,
    );
    for (const [key, issues] of refused) {
      const placed = drafts.get(key);
      if (placed === undefined) continue;
      for (const { path, message } of issues) problems.push(problemAt(placed, path, message));
      if (!services.has(key)) lost.push(lostAt(placed, key));
    }
    return services;
  }

  /** A slice that sends a Service's traffic to a cluster IP stays as it was, or out. */
  #slices(
    all: readonly Placed<SlicesRead>[],
    services: ReadonlyMap<ObjectKey, Service>,
    problems: Problem[],
    lost: Lost[],
  ) {
    const clusterIPs = new Map<Address, ObjectKey>();
    for (const [key, service] of services) for (const address of service.clusterIPs) clusterIPs.set(address, key);
    const fresh = new Map([...clusterIPs].filter(([address]) => !this.#clusterIPs.has(address)));

    const sound = new Set<EndpointSlice>();
    const slices = new Map<string, EndpointSlice>();
    for (const placed of withoutMirrored(all)) {
      for (const slice of placed.object.slices) {
        const key = `${slice.namespace}/${slice.service}/${slice.name}`;
        const wrong = clusterIPIn(slice, this.#sound.has(slice) ? fresh : clusterIPs);
        if (wrong === undefined) {
          sound.add(slice);
          slices.set(key, slice);
          continue;
        }
        const before = this.#last.slices.get(key);
        if (before !== undefined) slices.set(key, before);
        else lost.push(lostAt(placed, `${slice.namespace}/${slice.service}`));
        const owner = clusterIPs.get(wrong) ?? '';
        const message = `${wrong} is the address of Service ${owner}; list the addresses of its backends instead`;
        problems.push(problemAt(placed, [], message));
      }
    }
    this.#sound = sound;
    this.#clusterIPs = clusterIPs;
    return slices;
  }
}

function unique(files: readonly FileObjects[], problems: Problem[]) {
  const objects = new Map<string, Placed<PlacedObject['object']>>();
  for (const { file, objects: ofFile } of files) {
    for (const { object, line } of ofFile) {
      const first = objects.get(object.label);
      const placed = { file, line, object };
      if (first === undefined) objects.set(object.label, placed);
      else problems.push(problemAt(placed, [], `is also in ${first.file}:${first.line}, which is used; remove one`));
    }
  }
  return objects;
}

/**
 * An Endpoints object counts only while its Service has no EndpointSlice: in a cluster the slices are made from it, or
 * beside it, and kube-proxy reads nothing but slices.
 */
function withoutMirrored(all: readonly Placed<SlicesRead>[]): Placed<SlicesRead>[] {
  const sliced = new Set<string>();
  for (const { object } of all) {
    if (object.kind !== 'EndpointSlice') continue;
    for (const { namespace, service } of object.slices) sliced.add(`${namespace}/${service}`);
  }
  return all.filter(
    ({ object }) =>
      object.kind === 'EndpointSlice' ||
      !object.slices.some(({ namespace, service }) => sliced.has(`${namespace}/${service}`)),
  );
}

function clusterIPIn(slice: EndpointSlice, clusterIPs: Owners): Address | undefined {
  if (clusterIPs.size === 0) return undefined;
  return slice.endpoints.find(({ address }) => clusterIPs.has(address))?.address;
}

function isDraft(object: ServiceObjectRead): object is ServiceObjectRead & Draft {
  return object.service !== undefined;
}

function problemAt({ file, line, object }: Placed<{ label: string }>, path: FieldPath, message: string): Problem {
  const field = path.length > 0 && { field: fieldText(path) };
  return { file, line, object: object.label, ...field, message };
}

function lostAt({ file, line, object }: Placed<{ label: string }>, service: ObjectKey): Lost {
  return { place: `${file}:${line} (${object.label})`, service };
}
