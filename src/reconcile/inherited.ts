// SPDX-License-Identifier: Apache-2.0
// What the maps held when the agent started and no object has spoken for since. While a source could not be read whole,
// this is kept as it is: who wants it may stand in what could not be read. Objects that are known win over it, for good.

import type { Service as ServiceName } from '../abi/codecs.gen.ts';
import { BackendFlags, FrontendFlags, Proto, SetMode } from '../abi/enums.gen.ts';
import { unpackSet } from '../abi/set-word.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { EndpointSlice, ObjectKey, Protocol } from '../model/types.ts';
import type { NodeView } from '../plan/eligible.ts';
import type { Algorithm } from '../plan/algorithm.ts';
import { namedBackends, planSets } from '../plan/plan.ts';
import type { Locality, WantedBackend, WantedFrontend, WantedPort, WantedService, WantedSet } from '../plan/types.ts';
import type { PresentFrontend, PresentPort, PresentService, PresentSet } from './present.ts';
import { portKey, rangeOf, restrictionOfFlags, SCOPES, serviceRow, setOf } from './present.ts';
import { algorithmOfMode } from './slot-run.ts';
import { membersOf } from './table-store.ts';

type Sets = WantedPort['sets'];

interface Legacy {
  /** Undefined: a Service object has spoken for them. */
  ports: readonly WantedPort[] | undefined;
  /** By portKey; those that no slice has spoken for. */
  readonly lists: Map<string, Sets>;
}

export interface Known {
  /** Undefined: no object of the Service is known. */
  readonly planned: WantedService | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly node: NodeView;
  /** More slices may belong to it than are known. */
  readonly isPartial: boolean;
}

export interface KeptNames {
  /** Of which no object is known; in order, as the others. */
  readonly services: readonly ObjectKey[];
  /** Of which the object is known, and of some port no slice. */
  readonly lists: readonly ObjectKey[];
}

export class Inherited {
  readonly #services = new Map<ObjectKey, Legacy>();

  constructor(present: ReadonlyMap<ObjectKey, PresentService>, maps: Pick<LbMaps, 'readBackend'>) {
    for (const [key, service] of present) {
      const ports = [...service.values()].flatMap((port) => toWanted(port, maps));
      if (ports.length === 0) continue;
      const lists = new Map(ports.map((port) => [portKey(serviceRow(port)), port.sets]));
      this.#services.set(key, { ports, lists });
    }
  }

  keys(): Iterable<ObjectKey> {
    return this.#services.keys();
  }

  kept(): KeptNames {
    const legacies = [...this.#services].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      services: legacies.flatMap(([key, { ports }]) => (ports === undefined ? [] : [key])),
      lists: legacies.flatMap(([key, { ports }]) => (ports === undefined ? [key] : [])),
    };
  }

  /** What is wanted of a Service, with what is kept of it. */
  complete(key: ObjectKey, known: Known): WantedService {
    const legacy = this.#services.get(key);
    if (known.planned !== undefined && legacy !== undefined) legacy.ports = undefined;
    const ports = known.planned?.ports ?? legacy?.ports;
    // Deleted, after it was known.
    if (legacy === undefined || ports === undefined) {
      this.#services.delete(key);
      return { key, ports: ports ?? [], warnings: known.planned?.warnings ?? [] };
    }
    const completed = ports.map((port) => completePort(legacy.lists, port, known));
    if (known.planned !== undefined) forgetOthers(legacy.lists, completed);
    if (known.planned !== undefined && legacy.lists.size === 0) this.#services.delete(key);
    return { key, ports: completed, warnings: known.planned?.warnings ?? [] };
  }
}

// --- internal ---

function completePort(lists: Map<string, Sets>, port: WantedPort, known: Known): WantedPort {
  const sets = completeSets(lists, port, known);
  // Of a list that is kept nobody knows who else serves.
  const serving = lists.has(portKey(serviceRow(port))) ? undefined : port.serving;
  return { ...port, sets, serving };
}

/** Slices that are known take a list over whole; of a Service that is known in part, backend by backend. */
function completeSets(lists: Map<string, Sets>, port: WantedPort, { planned, slices, node, isPartial }: Known): Sets {
  const asPlanned = (): Sets =>
    planned === undefined ? planSets(slices, toNamed(port), port.family, node) : port.sets;
  const name = portKey(serviceRow(port));
  const kept = lists.get(name);
  if (kept === undefined) return asPlanned();
  const named = namedBackends(slices, toNamed(port), port.family);
  if (named === undefined) return kept;
  const left = isPartial ? without(kept, named) : undefined;
  if (left === undefined) lists.delete(name);
  else lists.set(name, left);
  return left === undefined ? asPlanned() : union(asPlanned(), left);
}

function forgetOthers(lists: Map<string, Sets>, ports: readonly WantedPort[]): void {
  const names = new Set(ports.map((port) => portKey(serviceRow(port))));
  for (const name of lists.keys()) if (!names.has(name)) lists.delete(name);
}

function toNamed({ portName, protocol }: WantedPort): { name: string; protocol: Protocol } {
  return { name: portName, protocol };
}

/** Undefined: nothing is left. */
function without({ cluster, local }: Sets, named: ReadonlySet<string>): Sets | undefined {
  const rest = ({ backends, whenEmpty }: WantedSet): WantedSet => ({
    backends: backends.filter(({ key }) => !named.has(key)),
    whenEmpty,
  });
  const left = { cluster: rest(cluster), local: rest(local) };
  return left.cluster.backends.length + left.local.backends.length === 0 ? undefined : left;
}

function union(a: Sets, b: Sets): Sets {
  const join = (one: WantedSet, other: WantedSet): WantedSet => ({
    backends: [...one.backends, ...other.backends].sort((x, y) => (x.key < y.key ? -1 : 1)),
    whenEmpty: one.whenEmpty === 'drop' || other.whenEmpty === 'drop' ? 'drop' : 'reject',
  });
  return { cluster: join(a.cluster, b.cluster), local: join(a.local, b.local) };
}

const PROTOCOLS: Readonly<Record<number, Protocol>> = { [Proto.Tcp]: 'TCP', [Proto.Udp]: 'UDP', [Proto.Sctp]: 'SCTP' };
const KINDS: readonly (readonly [flag: number, kind: WantedFrontend['kind']])[] = [
  [FrontendFlags.NodePort, 'NodePort'],
  [FrontendFlags.ExternalIp, 'ExternalIP'],
  [FrontendFlags.LoadBalancer, 'LoadBalancer'],
];

/** Wanting this changes nothing in the maps. None for a port that nobody can reach: it is on its way out. */
function toWanted(port: PresentPort, maps: Pick<LbMaps, 'readBackend'>): WantedPort[] {
  const { name, frontends } = port;
  const protocol = PROTOCOLS[name.proto];
  if (frontends.size === 0 || protocol === undefined) return [];
  return [
    {
      namespace: name.namespace,
      name: name.name,
      portName: name.portName,
      protocol,
      family: familyOf(name),
      frontends: Array.from(frontends.values(), (frontend) => toWantedFrontend(port, frontend)),
      sets: toWantedSets(port, protocol, maps),
      algorithm: presentAlgorithm(port),
      sourceRanges: [...port.ranges.values()].map(rangeOf),
    },
  ];
}

function familyOf({ family }: ServiceName): WantedPort['family'] {
  return family === 6 ? 6 : 4;
}

function toWantedFrontend(port: PresentPort, { key, row }: PresentFrontend): WantedFrontend {
  const local = setOf(port.service, 'local');
  return {
    address: key.addr,
    port: key.port,
    kind: KINDS.find(([flag]) => row.flags & flag)?.[1] ?? 'ClusterIP',
    internal: row.setInternal === local ? 'local' : 'cluster',
    external: row.setExternal === local ? 'local' : 'cluster',
    affinitySeconds: row.affinityS,
    restricted: restrictionOfFlags(row.flags),
  };
}

/** A list that no frontend leads to is not in the maps: who turns to it now gets what the other one tells of it. */
function toWantedSets({ sets }: PresentPort, protocol: Protocol, maps: Pick<LbMaps, 'readBackend'>): Sets {
  const [cluster, local] = SCOPES.map((scope) => toWantedSet(sets[scope], protocol, maps));
  const everywhere = cluster ?? local ?? NOBODY;
  const here = everywhere.backends.filter(({ locality }) => locality === 'local');
  const whenEmpty = everywhere.backends.length > 0 ? 'drop' : 'reject';
  return { cluster: everywhere, local: local ?? { backends: here, whenEmpty } };
}

const NOBODY: WantedSet = { backends: [], whenEmpty: 'reject' };

function toWantedSet(
  { table, word }: PresentSet,
  protocol: Protocol,
  maps: Pick<LbMaps, 'readBackend'>,
): WantedSet | undefined {
  if (word === 0n) return undefined;
  const backends = (table === undefined ? [] : membersOf(table)).map(({ id, weight }): WantedBackend => {
    const { addr, port, flags } = maps.readBackend(id);
    return { key: `${addr} ${String(port)}/${protocol}`, address: addr, port, locality: localityOf(flags), weight };
  });
  return { backends, whenEmpty: unpackSet(word).mode === SetMode.Drop ? 'drop' : 'reject' };
}

function presentAlgorithm({ sets }: PresentPort): Algorithm {
  const { table, word } = sets.cluster.table === undefined ? sets.local : sets.cluster;
  const weights = table === undefined ? [] : membersOf(table).map(({ weight }) => weight);
  return algorithmOfMode(unpackSet(word).mode, weights);
}

function localityOf(flags: number): Locality {
  if (flags & BackendFlags.Local) return 'local';
  return flags & BackendFlags.Remote ? 'remote' : 'unknown';
}
