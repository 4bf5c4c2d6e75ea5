// SPDX-License-Identifier: Apache-2.0
// A map's rows in words, one function for each map. Pure: names, sets and the clock are handed in. The properties are
// those of `maps dump -o json`, which docs/cli.md promises to keep.

import type {
  Affinity,
  AffinityKey,
  Backend,
  Conns,
  Control,
  Flow,
  Flow4,
  Flow4Key,
  Flow6,
  Flow6Key,
  Frontend,
  FrontendKey,
  Iface,
  IfaceKey,
  NetnsKey,
  NodeAddr,
  NodeAddrKey,
  PairKey,
  Service,
  ServiceAddr,
  ServiceAddrKey,
  ServiceRangeKey,
  Socket,
  SocketKey,
  SourceRangeKey,
  Traffic,
  UdpMoves,
  UdpPeer,
  UdpPeerKey,
} from '../abi/codecs.gen.ts';
import {
  BACKEND_FLAGS_NAMES,
  ClientKind,
  CONTROL_FLAGS_NAMES,
  FLOW_FLAGS_NAMES,
  FLOW_STATE_NAMES,
  FRONTEND_FLAGS_NAMES,
  IFACE_FLAGS_NAMES,
  NODE_ADDR_FLAGS_NAMES,
} from '../abi/enums.gen.ts';
import type { Row } from '../datapath/lb-maps.ts';
import { addressBytes, family, UNSPECIFIED } from '../net/ip.ts';
import type { Address } from '../net/ip.ts';
import type { CellRow } from './cell.ts';
import { flowAge } from './flows.ts';
import type { Names } from './names.ts';
import { flagNames, protocolName, serviceName, setIds, setOwner } from './names.ts';
import type { SetView } from './sets.ts';

export function frontendCells([key, row]: Row<FrontendKey, Frontend>, names: Names): CellRow {
  return {
    protocol: protocolName(key.proto),
    frontend: { address: key.addr, port: key.port },
    flags: flagNames(row.flags, FRONTEND_FLAGS_NAMES),
    service: names.service(row.service),
    internal: setOwner(row.setInternal).scope,
    external: setOwner(row.setExternal).scope,
    internalSet: row.setInternal,
    externalSet: row.setExternal,
    affinitySeconds: row.affinityS,
  };
}

export function serviceCells([id, row]: Row<number, Service>): CellRow {
  return {
    id,
    name: serviceName(row),
    namespace: row.namespace,
    service: row.name,
    portName: row.portName,
    protocol: protocolName(row.proto),
    family: row.family,
    clusterSet: setIds(id).cluster,
    localSet: setIds(id).local,
  };
}

export function backendCells([id, row]: Row<number, Backend>): CellRow {
  return {
    id,
    protocol: protocolName(row.proto),
    backend: { address: row.addr, port: row.port },
    flags: flagNames(row.flags, BACKEND_FLAGS_NAMES),
    weight: row.weight,
    zone: row.zone,
  };
}

export function setCells(set: SetView, names: Names): CellRow {
  const { service, scope } = setOwner(set.id);
  return {
    id: set.id,
    service: names.service(service),
    scope,
    mode: set.mode,
    firstSlot: set.span?.first ?? null,
    slots: set.span?.slots ?? 0,
    backends: set.span?.shares.length ?? 0,
  };
}

/** One row a backend of a table, not one a slot. */
export function* slotCells(sets: Iterable<SetView>, names: Names): Generator<CellRow> {
  const users = new Map<number, { readonly set: SetView; readonly ids: number[] }>();
  for (const set of sets) {
    if (set.span === undefined) continue;
    const known = users.get(set.span.first);
    if (known === undefined) users.set(set.span.first, { set, ids: [set.id] });
    else known.ids.push(set.id);
  }
  for (const [firstSlot, { set, ids }] of [...users].sort(([a], [b]) => a - b)) {
    const total = set.span?.slots ?? 0;
    for (const { backend, slots } of set.span?.shares ?? []) {
      yield {
        segment: set.span?.segment ?? 0,
        firstSlot,
        tableSlots: total,
        sets: ids,
        backend: names.backend(backend),
        slots,
        sharePercent: Math.round((slots / total) * 10_000) / 100,
      };
    }
  }
}

export function flowCells(
  [key, row]: Row<Flow4Key | Flow6Key, Flow4 | Flow6>,
  names: Names,
  monotonic: bigint,
): CellRow {
  const { flow } = row;
  return {
    protocol: protocolName(key.proto),
    source: { address: key.saddr, port: key.sport },
    destination: { address: key.daddr, port: key.dport },
    newSource: { address: row.saddr, port: flow.sport },
    newDestination: { address: row.daddr, port: flow.dport },
    service: names.service(flow.service),
    backend: names.backend(flow.backend),
    flags: flagNames(flow.flags, FLOW_FLAGS_NAMES),
    state: flagNames(flow.state, FLOW_STATE_NAMES),
    idleSeconds: Math.round(flowAge(flow, monotonic)),
    packets: flow.packets,
    bytes: flow.bytes,
    ...nextHopCells(flow, row.nexthop, names),
  };
}

export function socketCells([key, row]: Row<SocketKey, Socket>, names: Names): CellRow {
  return {
    cookie: key.cookie,
    protocol: protocolName(row.proto),
    frontend: { address: row.addr, port: row.port },
    service: names.service(row.service),
    backend: names.backend(row.backend),
  };
}

export function udpPeerCells([key, row]: Row<UdpPeerKey, UdpPeer>, names: Names): CellRow {
  return {
    cookie: key.cookie,
    sender: { address: key.addr, port: key.port },
    frontend: { address: row.addr, port: row.port },
    service: names.service(row.service),
    backend: names.backend(row.backend),
  };
}

export function connsCells([key, row]: Row<PairKey, Conns>, names: Names): CellRow {
  return { ...pairCells(key, names), opened: row.opened, active: row.active };
}

export function turnCells(set: number, asked: number, names: Names): CellRow {
  const { service, scope } = setOwner(set);
  return { set, service: names.service(service), scope, asked };
}

export function trafficCells([key, row]: Row<PairKey, Traffic>, names: Names): CellRow {
  const { inPackets, inBytes, outPackets, outBytes, lost } = row;
  return { ...pairCells(key, names), inPackets, inBytes, outPackets, outBytes, lost };
}

export function nodeAddrCells([key, row]: Row<NodeAddrKey, NodeAddr>): CellRow {
  return { address: key.addr, flags: flagNames(row.flags, NODE_ADDR_FLAGS_NAMES) };
}

export function ifaceCells([key, row]: Row<IfaceKey, Iface>, names: Names): CellRow {
  return {
    interface: names.interface(key.ifindex),
    flags: flagNames(row.flags, IFACE_FLAGS_NAMES),
    address4: unlessUnspecified(row.addr4),
    address6: unlessUnspecified(row.addr6),
    mtu: row.mtu,
    mac: row.mac,
  };
}

export function netnsCells([key]: Row<NetnsKey, unknown>): CellRow {
  return { cookie: key.cookie };
}

export function udpMovesCells([, row]: Row<number, UdpMoves>): CellRow {
  return {
    flowsMoved: row.flows,
    socketsMoved: row.sockets,
    socketsEnded: row.ended,
    waiting: row.waiting,
    survivors: row.survivors,
  };
}

export function controlCells(row: Control): CellRow {
  return {
    generation: row.generation,
    flags: flagNames(row.flags, CONTROL_FLAGS_NAMES),
    nodeAddress4: unlessUnspecified(row.node4),
    nodeAddress6: unlessUnspecified(row.node6),
    localPods4: row.local4Bits === 0 ? null : prefix(row.local4, row.local4Bits),
    localPods6: row.local6Bits === 0 ? null : prefix(row.local6, row.local6Bits),
  };
}

export function serviceAddrCells([key, row]: Row<ServiceAddrKey, ServiceAddr>): CellRow {
  return { address: key.addr, flags: flagNames(row.flags, FRONTEND_FLAGS_NAMES) };
}

export function serviceRangeCells([key]: Row<ServiceRangeKey, unknown>): CellRow {
  return { range: prefix(key.addr, key.prefixlen) };
}

export function sourceRangeCells([key]: Row<SourceRangeKey, unknown>, names: Names): CellRow {
  return { service: names.service(key.service), range: prefix(key.addr, key.prefixlen - SERVICE_ID_BITS) };
}

export function affinityCells([key, row]: Row<AffinityKey, Affinity>, names: Names, monotonic: bigint): CellRow {
  return {
    service: names.service(key.service),
    client: key.kind === ClientKind.Netns ? `netns ${String(netnsCookie(key.client))}` : key.client,
    backend: names.backend(row.backend),
    idleSeconds: Math.max(0, Math.round(Number(monotonic - row.lastNew) / 1e9)),
  };
}

// --- internal ---

/** Of a key in a trie, before the address. */
const SERVICE_ID_BITS = 32;
const MAPPED_BITS = 96;

/** bits: counted from the first of 16 bytes, IPv4 in v4-mapped form. */
function prefix(address: Address, bits: number): string {
  return `${address}/${String(family(address) === 4 ? bits - MAPPED_BITS : bits)}`;
}

/** As the programs put it there: its own bytes, the last 8 of 16. */
function netnsCookie(client: Address): bigint {
  return new DataView(addressBytes(client).buffer).getBigUint64(8, true);
}

function pairCells(key: PairKey, names: Names): CellRow {
  return { service: names.service(key.service), backend: names.backend(key.backend) };
}

function nextHopCells(flow: Flow, nexthop: Address, names: Names): CellRow {
  return {
    interface: flow.ifindex === 0 ? null : names.interface(flow.ifindex),
    nextHop: unlessUnspecified(nexthop),
    mtu: flow.mtu,
    generation: flow.generation,
  };
}

/** A field of 16 bytes may also hold the IPv4 zero. */
function unlessUnspecified(address: Address): Address | null {
  return address === UNSPECIFIED[4] || address === UNSPECIFIED[6] ? null : address;
}
