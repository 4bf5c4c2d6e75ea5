// SPDX-License-Identifier: Apache-2.0
// Pure: questions about all that is present.

import type { FrontendKey, PairKey } from '../abi/codecs.gen.ts';
import { FrontendFlags } from '../abi/enums.gen.ts';
import { unpackSet } from '../abi/set-word.ts';
import type { ObjectKey } from '../model/types.ts';
import type { Address } from '../net/ip.ts';
import type { PresentFrontend, PresentService } from './present.ts';
import { SCOPES } from './present.ts';
import { layoutOf } from './slot-run.ts';
import { membersOf } from './table-store.ts';

type Services = ReadonlyMap<ObjectKey, PresentService>;

export interface Held {
  readonly service: ObjectKey;
  readonly addresses: Address[];
  readonly nodePorts: number[];
}

export function* presentFrontends(services: Services): Generator<PresentFrontend> {
  for (const ports of services.values()) for (const port of ports.values()) yield* port.frontends.values();
}

/** Cluster IPs and node ports by the Services that have them. */
export function* heldBy(services: Services): Generator<Held> {
  for (const [service, ports] of services) {
    const frontends = [...ports.values()].flatMap((port) => [...port.frontends.values()]);
    const of = (kind: FrontendFlags): FrontendKey[] =>
      frontends.filter(({ row }) => row.flags & kind).map(({ key }) => key);
    yield {
      service,
      addresses: of(FrontendFlags.ClusterIp).map(({ addr }) => addr),
      nodePorts: of(FrontendFlags.NodePort).map(({ port }) => port),
    };
  }
}

/** Backends whose active connections decide who gets the next one. */
export function* balancedByLoad(services: Services): Generator<PairKey> {
  for (const ports of services.values()) {
    for (const { service, sets } of ports.values()) {
      for (const scope of SCOPES) {
        const { table, word } = sets[scope];
        if (table === undefined || layoutOf(unpackSet(word).mode) !== 'pairs') continue;
        for (const { id } of membersOf(table)) yield { service, backend: id };
      }
    }
  }
}

export function serviceOf(services: Services, id: number | undefined): ObjectKey | undefined {
  for (const [key, ports] of services) {
    for (const port of ports.values()) if (port.service === id) return key;
  }
  return undefined;
}
