// SPDX-License-Identifier: Apache-2.0
// Reads the present state back from the maps, so that an agent that starts finds what its predecessor left and touches
// only what differs from the plan.

import type { FrontendKey } from '../abi/codecs.gen.ts';
import { SetMode } from '../abi/enums.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { BackendTable } from './backend-table.ts';
import type { FrontendId, PresentPort, PresentService, PresentSet } from './present.ts';
import { frontendId, objectKeyOf, portKey, SCOPES, setOf } from './present.ts';
import type { ServiceIds } from './service-ids.ts';
import { unpackSet } from '../abi/set-word.ts';
import type { Table, TableStore } from './table-store.ts';

export interface Restored {
  readonly services: Map<ObjectKey, PresentService>;
  readonly owners: Map<FrontendId, number>;
  /** Frontends that no service claims; removed at once. */
  readonly strays: readonly FrontendKey[];
}

export function restorePresent(maps: LbMaps, backends: BackendTable, tables: TableStore, ids: ServiceIds): Restored {
  backends.restore();
  const names = new Map(maps.services());
  ids.restore(names.keys());
  const byFirst = tables.restore(presentWords(maps, names.keys()));
  const ports = new Map<number, PresentPort>();
  for (const [service, name] of names) {
    const sets = {
      cluster: readSet(maps, byFirst, setOf(service, 'cluster')),
      local: readSet(maps, byFirst, setOf(service, 'local')),
    };
    ports.set(service, { service, name, frontends: new Map(), sets });
  }
  const owners = new Map<FrontendId, number>();
  const strays: FrontendKey[] = [];
  for (const [key, row] of maps.frontends()) {
    const port = ports.get(row.service);
    if (port === undefined) {
      strays.push(key);
      continue;
    }
    port.frontends.set(frontendId(key), { key, row });
    owners.set(frontendId(key), row.service);
  }
  backends.retireUnused();
  return { services: groupPorts(ports.values(), ids), owners, strays };
}

function* presentWords(maps: LbMaps, services: Iterable<number>): Generator<{ first: number; count: number }> {
  for (const service of services) {
    for (const scope of SCOPES) {
      const state = unpackSet(maps.readSet(setOf(service, scope)));
      if (state.mode === SetMode.Hash) yield state;
    }
  }
}

function readSet(maps: LbMaps, byFirst: ReadonlyMap<number, Table>, set: number): PresentSet {
  const word = maps.readSet(set);
  const state = unpackSet(word);
  const table = state.mode === SetMode.Hash ? byFirst.get(state.first) : undefined;
  if (table !== undefined) table.uses++;
  return { table, word };
}

/** A port without frontends was retired by the predecessor. */
function groupPorts(ports: Iterable<PresentPort>, ids: ServiceIds): Map<ObjectKey, PresentService> {
  const services = new Map<ObjectKey, PresentService>();
  for (const port of ports) {
    if (port.frontends.size === 0 && port.sets.cluster.table === undefined && port.sets.local.table === undefined) {
      ids.retire(port.service, port.name);
      continue;
    }
    const key = objectKeyOf(port.name);
    let service = services.get(key);
    if (service === undefined) services.set(key, (service = new Map<string, PresentPort>()));
    service.set(portKey(port.name), port);
  }
  return services;
}
