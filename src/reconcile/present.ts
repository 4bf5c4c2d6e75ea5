// SPDX-License-Identifier: Apache-2.0
// What the maps hold, as the reconciler keeps it in mind: a mirror that changes only when an operation on the maps has
// succeeded, and that is read back from the pinned maps at start.

import type { Frontend, FrontendKey, Service } from '../abi/codecs.gen.ts';
import { FrontendFlags, PROTO_NAMES, Proto } from '../abi/enums.gen.ts';
import type { ObjectKey, Protocol } from '../model/types.ts';
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
      flags: KIND_FLAG[frontend.kind],
    },
  };
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
