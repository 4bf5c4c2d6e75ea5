// SPDX-License-Identifier: Apache-2.0
// One round of the reconciler: some Services, from what is present to what is wanted, in the order that never shows a
// client half a change: frontends off, names, backends, slots, flip, frontends on. What nothing leads to any more is
// handed over to wait for a grace period: a program may have read the way to it just before.

import type { Service } from '../abi/codecs.gen.ts';
import { SetMode } from '../abi/enums.gen.ts';
import { packSet } from '../abi/set-word.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { SetScope, WantedPort, WantedService } from '../plan/types.ts';
import { Attempts } from './attempts.ts';
import type { Goal } from './batch-goals.ts';
import { isNeeded, toGoal } from './batch-goals.ts';
import { FrontendChanges } from './frontend-changes.ts';
import type { FrontendId, PresentPort, PresentService } from './present.ts';
import { EMPTY, NO_RANGES, SCOPES, setOf } from './present.ts';
import { addRanges, removeRanges } from './range-changes.ts';
import type { IdlePort } from './retirement.ts';
import type { ServiceAddresses } from './service-addresses.ts';
import type { ServiceIds } from './service-ids.ts';
import { setMode } from './slot-run.ts';
import type { RetiredTable, TableStore } from './table-store.ts';

export interface State {
  readonly maps: LbMaps;
  readonly tables: TableStore;
  readonly ids: ServiceIds;
  readonly services: Map<ObjectKey, PresentService>;
  /** Service ids by the frontends that they have in the maps. */
  readonly owners: Map<FrontendId, number>;
  readonly addresses: ServiceAddresses;
}

/** A frontend that another port has; it is taken when that one lets go. */
export interface Conflict {
  readonly service: ObjectKey;
  readonly frontend: FrontendId;
}

export interface BatchResult {
  /** Not applied, to be tried again; the present state of these is as it was or further on. */
  readonly failed: ReadonlyMap<ObjectKey, Error>;
  readonly conflicts: readonly Conflict[];
  /** Frontends that nobody has any more: whoever lost a conflict over them may try again. */
  readonly released: readonly FrontendId[];
  /** To be freed after a grace period. */
  readonly retiredTables: readonly RetiredTable[];
  /** To be emptied after a grace period. */
  readonly idlePorts: readonly IdlePort[];
  readonly flipped: number;
}

interface Addition {
  readonly key: ObjectKey;
  readonly present: PresentService;
  readonly portName: string;
  readonly name: Service;
  readonly service: number;
}

export class Batch {
  readonly #state: State;
  readonly #goals: readonly Goal[];
  readonly #attempts = new Attempts();
  readonly #frontends: FrontendChanges;
  readonly #retiredTables: RetiredTable[] = [];
  readonly #idlePorts: IdlePort[] = [];
  #flipped = 0;

  /** wanted: every Service of this round, a deleted one without ports. */
  constructor(state: State, wanted: readonly WantedService[]) {
    this.#state = state;
    this.#goals = wanted.map((one) => toGoal(one, state.services.get(one.key)));
    this.#frontends = new FrontendChanges(state, this.#goals, this.#attempts);
  }

  run(): BatchResult {
    const { maps } = this.#state;
    this.#frontends.takeOff();
    this.#addPorts();
    this.#attempts.each(this.#goals, (goal) => {
      this.#fillPorts(goal);
      addRanges(goal, maps);
    });
    this.#frontends.putOn();
    this.#attempts.each(this.#goals, (goal) => {
      removeRanges(goal, maps);
    });
    for (const goal of this.#attempts.standing(this.#goals)) this.#retire(goal);
    return {
      failed: this.#attempts.failed,
      conflicts: this.#frontends.conflicts,
      released: this.#frontends.released,
      retiredTables: this.#retiredTables,
      idlePorts: this.#idlePorts,
      flipped: this.#flipped,
    };
  }

  /** A port is present when its name is in the map. */
  #addPorts(): void {
    const { ids, maps, services } = this.#state;
    const added: Addition[] = [];
    this.#attempts.each(this.#goals, ({ key, ports, present }) => {
      for (const [portName, { name }] of ports) {
        if (!present.has(portName)) added.push({ key, present, portName, name, service: ids.acquire(name) });
      }
    });
    this.#attempts.together(added, (some) => {
      maps.putServices(some.map(({ service, name }) => [service, name]));
    });
    for (const { key, present, portName, name, service } of added) {
      if (this.#attempts.failed.has(key)) {
        ids.retire(service, name);
        continue;
      }
      // An id is free, or retired, only when its words are 0.
      const sets = { cluster: EMPTY, local: EMPTY };
      present.set(portName, { service, name, frontends: new Map(), sets, ranges: NO_RANGES, leaving: false });
      services.set(key, present);
    }
  }

  /** Backends, slots and the flip, for every wanted port of one Service. */
  #fillPorts({ ports, present }: Goal): void {
    for (const [name, { wanted }] of ports) {
      const port = present.get(name);
      if (port === undefined) continue;
      port.leaving = false;
      for (const scope of SCOPES) if (isNeeded(port, scope, wanted)) this.#flip(port, scope, wanted);
    }
  }

  #flip(port: PresentPort, scope: SetScope, wanted: WantedPort): void {
    const { tables, maps } = this.#state;
    const { backends, whenEmpty } = wanted.sets[scope];
    const { algorithm } = wanted;
    const withMembers = wanted.frontends.some(({ affinitySeconds }) => affinitySeconds > 0);
    const table =
      backends.length > 0 ? tables.acquire(backends, wanted.protocol, { algorithm, withMembers }) : undefined;
    const word =
      table === undefined
        ? packSet({ mode: whenEmpty === 'drop' ? SetMode.Drop : SetMode.Reject, first: 0, count: 0 })
        : packSet({ mode: setMode(algorithm), ...table });
    const before = port.sets[scope];
    if (before.word !== word) {
      maps.writeSet(setOf(port.service, scope), word);
      this.#flipped++;
    }
    port.sets[scope] = { table, word };
    const retired = before.table === undefined ? undefined : tables.release(before.table);
    if (retired !== undefined) this.#retiredTables.push(retired);
  }

  /** Hands over what no frontend leads to any more. */
  #retire({ key, ports, present }: Goal): void {
    for (const [name, port] of present) {
      const wanted = ports.get(name)?.wanted;
      if (wanted === undefined && port.leaving) continue;
      port.leaving = wanted === undefined;
      const idle = SCOPES.filter((scope) => port.sets[scope] !== EMPTY && !isNeeded(port, scope, wanted));
      if (idle.length === 0 && !port.leaving) continue;
      const sets: IdlePort['sets'] = Object.fromEntries(idle.map((scope) => [scope, port.sets[scope]]));
      this.#idlePorts.push({ key, name, port, sets });
    }
  }
}
