// SPDX-License-Identifier: Apache-2.0
// What the maps hold, as the reconciler keeps it in mind: a mirror that changes only when an operation on the maps has
// succeeded, and that is read back from the pinned maps at start.

import type { Frontend, FrontendKey, Service, SourceRangeKey } from '../abi/codecs.gen.ts';
import { FrontendFlags, PROTO_NAMES, Proto } from '../abi/enums.gen.ts';
import type { ObjectKey, Protocol } from '../model/types.ts';
import { family } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { toPrefix } from '../net/prefix.ts';
import type { Restriction } from '../plan/source-ranges.ts';
import type { SetScope, WantedFrontend, WantedPort } from '../plan/types.ts';
import type { Table } from './table-store.ts';

/** A frontend's key as text: `address port/proto`. */
export type FrontendId = string;

export interface PresentFrontend {
  readonly key: FrontendKey;
  readonly row: Frontend;
}

/** What a set's word says; table undefined: empty. */
export interface PresentSet {
  readonly table: Table | undefined;
  readonly word: bigint;
}

/** Nothing is there, and the set's word is 0. */
export const EMPTY: PresentSet = { table: undefined, word: 0n };

/** One whose name is in the map. */
export interface PresentPort {
  readonly service: number;
  readonly name: Service;
  readonly frontends: Map<FrontendId, PresentFrontend>;
  readonly sets: Record<SetScope, PresentSet>;
  /** In the maps, by rangeId; none of a port that never had any. */
  ranges: ReadonlyMap<string, SourceRangeKey>;
  /** Wanted no more, and without frontends; its sets wait for a grace period. */
  leaving: boolean;
}

/** By portKey. */
export type PresentService = Map<string, PresentPort>;

export const SCOPES: readonly SetScope[] = ['cluster', 'local'];

/** A service's sets lie side by side: cluster first. */
export function setOf(service: number, scope: SetScope): number {
  return service * 2 + (scope === 'local' ? 1 : 0);
}

/** Whether a frontend in the maps leads to the set. */
export function leadsTo(port: PresentPort, scope: SetScope): boolean {
  const set = setOf(port.service, scope);
  for (const { row } of port.frontends.values()) if (row.setInternal === set || row.setExternal === set) return true;
  return false;
}

export function frontendId(key: FrontendKey): FrontendId {
  return `${key.addr} ${String(key.port)}/${PROTO_NAMES[key.proto] ?? String(key.proto)}`;
}

export function portKey(port: Pick<Service, 'portName' | 'proto' | 'family'>): string {
  return `${port.portName}/${String(port.proto)}/${String(port.family)}`;
}

export function objectKeyOf(name: Pick<Service, 'namespace' | 'name'>): ObjectKey {
  return `${name.namespace}/${name.name}`;
}

const PROTO: Readonly<Record<Protocol, Proto>> = { TCP: Proto.Tcp, UDP: Proto.Udp, SCTP: Proto.Sctp };
const KIND_FLAG: Readonly<Record<WantedFrontend['kind'], number>> = {
  ClusterIP: FrontendFlags.ClusterIp,
  NodePort: FrontendFlags.NodePort,
  ExternalIP: FrontendFlags.ExternalIp,
  LoadBalancer: FrontendFlags.LoadBalancer,
};

export function serviceRow(port: WantedPort): Service {
  return {
    namespace: port.namespace,
    name: port.name,
    portName: port.portName,
    proto: PROTO[port.protocol],
    family: port.family,
  };
}

export function frontendRow(port: WantedPort, frontend: WantedFrontend, service: number): PresentFrontend {
  return {
    key: { addr: frontend.address, port: frontend.port, proto: PROTO[port.protocol] },
    row: {
      service,
      setInternal: setOf(service, frontend.internal),
      setExternal: setOf(service, frontend.external),
      affinityS: frontend.affinitySeconds,
      flags: KIND_FLAG[frontend.kind] | restrictionFlags(frontend.restricted),
    },
  };
}

const PODS_FLAG: Readonly<Record<Restriction, number>> = {
  'pods-allowed': FrontendFlags.PodsAllowed,
  'pods-denied': FrontendFlags.PodsDenied,
  'by-address': 0,
};

function restrictionFlags(restriction: Restriction | undefined): number {
  return restriction === undefined ? 0 : FrontendFlags.SourceRanges | PODS_FLAG[restriction];
}

export function restrictionOfFlags(flags: number): Restriction | undefined {
  if ((flags & FrontendFlags.SourceRanges) === 0) return undefined;
  if (flags & FrontendFlags.PodsAllowed) return 'pods-allowed';
  return flags & FrontendFlags.PodsDenied ? 'pods-denied' : 'by-address';
}

export const NO_RANGES: ReadonlyMap<string, SourceRangeKey> = new Map();

const SERVICE_ID_BITS = 32;
const MAPPED_BITS = 96;

/** Counted from the first of a key's bytes: the service's id, then the address, of IPv4 in v4-mapped form. */
export function rangeKey(service: number, { address, bits, family }: Prefix): SourceRangeKey {
  return { service, addr: address, prefixlen: SERVICE_ID_BITS + (family === 4 ? MAPPED_BITS : 0) + bits };
}

export function rangeOf({ addr, prefixlen }: SourceRangeKey): Prefix {
  const bits = prefixlen - SERVICE_ID_BITS - (family(addr) === 4 ? MAPPED_BITS : 0);
  const prefix = toPrefix(addr, bits);
  if (prefix === undefined) throw new RangeError(`a source range of ${addr} has ${String(bits)} bits`);
  return prefix;
}

export function rangeId({ addr, prefixlen }: SourceRangeKey): string {
  return `${addr}/${String(prefixlen)}`;
}

export function sameFrontend(a: Frontend, b: Frontend): boolean {
  return (
    a.service === b.service &&
    a.setInternal === b.setInternal &&
    a.setExternal === b.setExternal &&
    a.affinityS === b.affinityS &&
    a.flags === b.flags
  );
}
