// SPDX-License-Identifier: Apache-2.0
// Services as `bpfsvc services` tells of them: frontends, the backends behind them, and what has gone there. Pure.
// Counters are by service and backend; a service here is one port of a Service in one family, as in the maps.

import type { Flow, Frontend, FrontendKey, PairKey, Socket, Traffic } from '../abi/codecs.gen.ts';
import { BackendFlags, FrontendFlags } from '../abi/enums.gen.ts';
import type { Row } from '../datapath/lb-maps.ts';
import { compareAddress } from '../net/ip.ts';
import type { Address } from '../net/ip.ts';
import type { Locality, SetScope } from '../plan/types.ts';
import { hasEnded, isForward } from './flows.ts';
import type { Names } from './names.ts';
import { locality, protocolName, serviceName, setIds, setOwner } from './names.ts';
import type { SetReader, SetView } from './sets.ts';

export interface ServiceRows {
  readonly names: Names;
  readonly sets: Pick<SetReader, 'prepare' | 'read'>;
  readonly frontends: Iterable<Row<FrontendKey, Frontend>>;
  readonly sockets: Iterable<Row<unknown, Pick<Socket, 'service' | 'backend'>>>;
  /** Of both families. */
  readonly flows: Iterable<Flow>;
  readonly conns: Iterable<Row<PairKey, { readonly opened: bigint }>>;
  readonly traffic: Iterable<Row<PairKey, Traffic>>;
}

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancer' | 'unknown';

export interface FrontendView {
  /** `0.0.0.0` or `::` for a NodePort. */
  readonly address: Address;
  readonly port: number;
  readonly kind: FrontendKind;
  /** Which list clients on this node get, and which the others. */
  readonly internal: SetScope;
  readonly external: SetScope;
  readonly affinitySeconds: number;
}

export interface Counters {
  /** Sockets that were connected through the service, and flows that have not ended. */
  readonly active: number;
  readonly opened: bigint;
  readonly inPackets: bigint;
  readonly outPackets: bigint;
  readonly inBytes: bigint;
  readonly outBytes: bigint;
}

export interface BackendView extends Counters {
  readonly id: number;
  readonly address: Address | null;
  readonly port: number | null;
  readonly locality: Locality;
  readonly weight: number;
  /** In no set any more; connections that it had go on. */
  readonly retired: boolean;
  /** Slots of each set that name it; empty when it is retired. */
  readonly slots: Readonly<Partial<Record<SetScope, number>>>;
}

export interface ServiceView {
  readonly id: number;
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly portName: string;
  readonly family: number;
  readonly protocol: string;
  readonly sets: Readonly<Record<SetScope, SetView>>;
  readonly frontends: readonly FrontendView[];
  readonly backends: readonly BackendView[];
}

/** wanted: `namespace/name`, or none for all. In order of name, port, protocol and family. */
export function buildServiceViews(rows: ServiceRows, wanted?: string): ServiceView[] {
  const chosen = [...rows.names.services].filter(
    ([, { namespace, name }]) => wanted === undefined || `${namespace}/${name}` === wanted,
  );
  const frontends = groupFrontends(rows.frontends);
  const counters = countPairs(rows);
  rows.sets.prepare(chosen.flatMap(([id]) => Object.values(setIds(id))));
  return chosen
    .map(([id, row]): ServiceView => {
      const ids = setIds(id);
      const sets = { cluster: rows.sets.read(ids.cluster), local: rows.sets.read(ids.local) };
      return {
        id,
        name: serviceName(row),
        namespace: row.namespace,
        service: row.name,
        portName: row.portName,
        family: row.family,
        protocol: protocolName(row.proto),
        sets,
        frontends: (frontends.get(id) ?? []).sort(compareFrontends),
        backends: backendViews(rows.names, sets, counters.get(id) ?? new Map<number, Counters>()),
      };
    })
    .sort(compareServices);
}

// --- internal ---

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const KINDS: readonly (readonly [number, FrontendKind])[] = [
  [FrontendFlags.ClusterIp, 'ClusterIP'],
  [FrontendFlags.NodePort, 'NodePort'],
  [FrontendFlags.ExternalIp, 'ExternalIP'],
  [FrontendFlags.LoadBalancer, 'LoadBalancer'],
];

function groupFrontends(rows: ServiceRows['frontends']): Map<number, FrontendView[]> {
  const groups = new Map<number, FrontendView[]>();
  for (const [key, row] of rows) {
    let group = groups.get(row.service);
    if (group === undefined) groups.set(row.service, (group = []));
    group.push({
      address: key.addr,
      port: key.port,
      kind: KINDS.find(([flag]) => row.flags & flag)?.[1] ?? 'unknown',
      internal: setOwner(row.setInternal).scope,
      external: setOwner(row.setExternal).scope,
      affinitySeconds: row.affinityS,
    });
  }
  return groups;
}

/** By service, then by backend. */
function countPairs(rows: ServiceRows): Map<number, Map<number, Counters>> {
  const services = new Map<number, Map<number, Mutable<Counters>>>();
  const at = (service: number, backend: number): Mutable<Counters> => {
    let backends = services.get(service);
    if (backends === undefined) services.set(service, (backends = new Map<number, Mutable<Counters>>()));
    let counters = backends.get(backend);
    if (counters === undefined) backends.set(backend, (counters = { ...NOTHING }));
    return counters;
  };
  for (const [, { service, backend }] of rows.sockets) at(service, backend).active++;
  for (const [key, { opened }] of rows.conns) at(key.service, key.backend).opened += opened;
  for (const [key, { inPackets, inBytes, outPackets, outBytes }] of rows.traffic) {
    const counters = at(key.service, key.backend);
    counters.inPackets += inPackets;
    counters.inBytes += inBytes;
    counters.outPackets += outPackets;
    counters.outBytes += outBytes;
  }
  for (const flow of rows.flows) countFlow(at(flow.service, flow.backend), flow);
  return services;
}

const NOTHING: Counters = { active: 0, opened: 0n, inPackets: 0n, outPackets: 0n, inBytes: 0n, outBytes: 0n };

/** The agent adds what a flow has carried to the map traffic when it removes it: until then it is in the row. */
function countFlow(counters: Mutable<Counters>, flow: Flow): void {
  if (!isForward(flow)) {
    counters.outPackets += flow.packets;
    counters.outBytes += flow.bytes;
    return;
  }
  counters.inPackets += flow.packets;
  counters.inBytes += flow.bytes;
  if (!hasEnded(flow)) counters.active++;
}

/** Those in a set, and those that left with connections still on. */
function backendViews(
  names: Names,
  sets: Readonly<Record<SetScope, SetView>>,
  counters: ReadonlyMap<number, Counters>,
): BackendView[] {
  const slots = new Map<number, Slots>();
  for (const { backend, slots: cluster } of sets.cluster.span?.shares ?? []) slots.set(backend, { cluster });
  for (const { backend, slots: local } of sets.local.span?.shares ?? []) {
    const known = slots.get(backend);
    if (known === undefined) slots.set(backend, { local });
    else known.local = local;
  }
  for (const [backend, { active }] of counters) if (active > 0 && !slots.has(backend)) slots.set(backend, {});
  return Array.from(slots, ([id, of]) => backendView(names, id, of, counters.get(id))).sort(compareBackends);
}

type Slots = Partial<Record<SetScope, number>>;

function backendView(names: Names, id: number, slots: Slots, counters: Counters = NOTHING): BackendView {
  const row = names.backends.get(id);
  const flags = row?.flags ?? 0;
  return {
    id,
    address: row?.addr ?? null,
    port: row?.port ?? null,
    locality: locality(flags),
    weight: row?.weight ?? 0,
    retired: (flags & BackendFlags.Retired) !== 0 || (slots.cluster === undefined && slots.local === undefined),
    slots,
    active: counters.active,
    opened: counters.opened,
    inPackets: counters.inPackets,
    outPackets: counters.outPackets,
    inBytes: counters.inBytes,
    outBytes: counters.outBytes,
  };
}

function compareServices(a: ServiceView, b: ServiceView): number {
  return compareText(a.name, b.name) || compareText(a.protocol, b.protocol) || a.family - b.family || a.id - b.id;
}

function compareFrontends(a: FrontendView, b: FrontendView): number {
  return rank(a.kind) - rank(b.kind) || compareAddress(a.address, b.address) || a.port - b.port;
}

function rank(kind: FrontendKind): number {
  return KINDS.findIndex(([, name]) => name === kind);
}

function compareBackends(a: BackendView, b: BackendView): number {
  if (a.retired !== b.retired) return a.retired ? 1 : -1;
  if (a.address === null || b.address === null) return a.id - b.id;
  return compareAddress(a.address, b.address) || (a.port ?? 0) - (b.port ?? 0) || a.id - b.id;
}

/** By code units: the same on every machine. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
