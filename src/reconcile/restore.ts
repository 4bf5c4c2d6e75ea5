// SPDX-License-Identifier: Apache-2.0
// Reads the present state back from the maps, so that an agent that starts finds what its predecessor left and touches
// only what differs from the plan.

import type { FrontendKey, SourceRangeKey } from '../abi/codecs.gen.ts';
import { SlotGeometry } from '../abi/enums.gen.ts';
import { unpackSet } from '../abi/set-word.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { BackendTable } from './backend-table.ts';
import type { FrontendId, PresentPort, PresentService, PresentSet } from './present.ts';
import { EMPTY, frontendId, NO_RANGES, objectKeyOf, portKey, rangeId, SCOPES, setOf } from './present.ts';
import type { ServiceIds } from './service-ids.ts';
import { layoutOf } from './slot-run.ts';
import type { StrayRows } from './strays.ts';
import type { PresentRun, Table, TableStore } from './table-store.ts';

export interface Restored {
  readonly services: Map<ObjectKey, PresentService>;
  readonly owners: Map<FrontendId, number>;
  readonly strays: StrayRows;
}

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;

/** Writes nothing: what the predecessor has read or released may still be in the hands of programs. */
export function restorePresent(maps: LbMaps, backends: BackendTable, tables: TableStore, ids: ServiceIds): Restored {
  backends.restore();
  const names = new Map(maps.services());
  ids.restore(names.keys());
  const byFirst = tables.restore(presentRuns(maps, names.keys()));
  const ports = new Map<number, PresentPort>();
  for (const [service, name] of names) {
    const sets = {
      cluster: readSet(maps, byFirst, setOf(service, 'cluster')),
      local: readSet(maps, byFirst, setOf(service, 'local')),
    };
    ports.set(service, { service, name, frontends: new Map(), sets, ranges: NO_RANGES, leaving: false });
  }
  const sourceRanges: SourceRangeKey[] = [];
  for (const key of maps.sourceRanges()) {
    const port = ports.get(key.service);
    if (port === undefined) sourceRanges.push(key);
    else port.ranges = new Map(port.ranges).set(rangeId(key), key);
  }
  const owners = new Map<FrontendId, number>();
  const frontends: FrontendKey[] = [];
  for (const [key, row] of maps.frontends()) {
    const port = ports.get(row.service);
    if (port === undefined) {
      frontends.push(key);
      continue;
    }
    port.frontends.set(frontendId(key), { key, row });
    owners.set(frontendId(key), row.service);
  }
  return { services: groupPorts(ports.values()), owners, strays: { frontends, sourceRanges } };
}

function* presentRuns(maps: LbMaps, services: Iterable<number>): Generator<PresentRun> {
  const end = maps.slotSegments() * SEGMENT_SLOTS;
  for (const service of services) {
    for (const scope of SCOPES) {
      const { mode, first, count, isWeighted, withMembers } = unpackSet(maps.readSet(setOf(service, scope)));
      const layout = layoutOf(mode);
      if (layout === undefined || count === 0 || first + count > end) continue;
      yield { layout, first, count, isWeighted, withMembers };
    }
  }
}

function readSet(maps: LbMaps, byFirst: ReadonlyMap<number, Table>, set: number): PresentSet {
  const word = maps.readSet(set);
  if (word === 0n) return EMPTY;
  const { mode, first } = unpackSet(word);
  const table = layoutOf(mode) === undefined ? undefined : byFirst.get(first);
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
