// SPDX-License-Identifier: Apache-2.0
// Reads the present state back from the maps, so that an agent that starts finds what its predecessor left and touches
// only what differs from the plan.

import type { FrontendKey } from '../abi/codecs.gen.ts';
import { SetMode, SlotGeometry } from '../abi/enums.gen.ts';
import { unpackSet } from '../abi/set-word.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { BackendTable } from './backend-table.ts';
import type { FrontendId, PresentPort, PresentService, PresentSet } from './present.ts';
import { EMPTY, frontendId, objectKeyOf, portKey, SCOPES, setOf } from './present.ts';
import type { ServiceIds } from './service-ids.ts';
import type { Table, TableStore } from './table-store.ts';

export interface Restored {
  readonly services: Map<ObjectKey, PresentService>;
  readonly owners: Map<FrontendId, number>;
  /** Frontends of no service: to be removed, unless a Service takes them over. */
  readonly strays: readonly FrontendKey[];
}

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;

/** Writes nothing: what the predecessor has read or released may still be in the hands of programs. */
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
    ports.set(service, { service, name, frontends: new Map(), sets, leaving: false });
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
  return { services: groupPorts(ports.values()), owners, strays };
}

function* presentWords(maps: LbMaps, services: Iterable<number>): Generator<{ first: number; count: number }> {
  const end = maps.slotSegments() * SEGMENT_SLOTS;
  for (const service of services) {
    for (const scope of SCOPES) {
      const { mode, first, count } = unpackSet(maps.readSet(setOf(service, scope)));
      if (mode === SetMode.Hash && count > 0 && first + count <= end) yield { first, count };
    }
  }
}

function readSet(maps: LbMaps, byFirst: ReadonlyMap<number, Table>, set: number): PresentSet {
  const word = maps.readSet(set);
  if (word === 0n) return EMPTY;
  const state = unpackSet(word);
  const table = state.mode === SetMode.Hash ? byFirst.get(state.first) : undefined;
  if (table !== undefined) table.uses++;
  return { table, word };
}

function groupPorts(ports: Iterable<PresentPort>): Map<ObjectKey, PresentService> {
  const services = new Map<ObjectKey, PresentService>();
  for (const port of ports) {
    const key = objectKeyOf(port.name);
    let service = services.get(key);
    if (service === undefined) services.set(key, (service = new Map<string, PresentPort>()));
    service.set(portKey(port.name), port);
  }
  return services;
}
