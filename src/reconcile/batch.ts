// SPDX-License-Identifier: Apache-2.0
// One round of the reconciler: some Services, from what is present to what is wanted, in the order that never shows a
// client half a change: frontends off, backends, slots, flip, frontends on; what the old generation held goes after a
// grace period.

import type { FrontendKey } from '../abi/codecs.gen.ts';
import { SetMode } from '../abi/enums.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { SetScope, WantedPort, WantedService } from '../plan/types.ts';
import type { FrontendId, PresentFrontend, PresentPort, PresentService, PresentSet } from './present.ts';
import { frontendId, frontendRow, portKey, sameFrontend, SCOPES, serviceRow, setOf } from './present.ts';
import type { ServiceIds } from './service-ids.ts';
import { packSet } from '../abi/set-word.ts';
import type { Table, TableStore } from './table-store.ts';

export interface State {
  readonly maps: LbMaps;
  readonly tables: TableStore;
  readonly ids: ServiceIds;
  readonly services: Map<ObjectKey, PresentService>;
  readonly owners: Map<FrontendId, number>;
}

/** A frontend that another Service has; it is taken when that one lets go. */
export interface Conflict {
  readonly service: ObjectKey;
  readonly frontend: FrontendId;
  readonly owner: number;
}

export interface BatchResult {
  /** Not applied, to be tried again; the present state of these is as it was or further on. */
  readonly failed: ReadonlyMap<ObjectKey, Error>;
  readonly conflicts: readonly Conflict[];
  /** Frontends that lost their owner: whoever lost a conflict over them may try again. */
  readonly released: readonly FrontendId[];
  /** To be freed after a grace period. */
  readonly retiredTables: readonly Table[];
  readonly flipped: number;
}

interface Put {
  readonly key: ObjectKey;
  readonly port: PresentPort;
  readonly frontend: PresentFrontend;
}

interface Goal {
  readonly key: ObjectKey;
  readonly ports: ReadonlyMap<string, WantedPort>;
  readonly present: PresentService;
}

export class Batch {
  readonly #state: State;
  readonly #goals: Goal[];
  readonly #failed = new Map<ObjectKey, Error>();
  readonly #conflicts: Conflict[] = [];
  readonly #released: FrontendId[] = [];
  readonly #retiredTables: Table[] = [];
  readonly #puts: Put[] = [];
  #flipped = 0;

  /** wanted: every Service of this round, a deleted one without ports. */
  constructor(state: State, wanted: readonly WantedService[]) {
    this.#state = state;
    this.#goals = wanted.map(({ key, ports }) => ({
      key,
      ports: new Map(ports.map((port) => [portKey(serviceRow(port)), port])),
      present: state.services.get(key) ?? new Map<string, PresentPort>(),
    }));
  }

  run(): BatchResult {
    this.#removeFrontends();
    for (const goal of this.#goals)
      this.#guard(goal.key, () => {
        this.#fillPorts(goal);
      });
    this.#addFrontends();
    for (const goal of this.#goals) {
      if (!this.#failed.has(goal.key))
        this.#guard(goal.key, () => {
          this.#retirePorts(goal);
        });
    }
    return {
      failed: this.#failed,
      conflicts: this.#conflicts,
      released: this.#released,
      retiredTables: this.#retiredTables,
      flipped: this.#flipped,
    };
  }

  #removeFrontends(): void {
    const claimed = new Set(this.#goals.flatMap(({ ports }) => [...ports.values()].flatMap(frontendIds)));
    const gone: { key: FrontendKey; id: FrontendId; port: PresentPort; object: ObjectKey }[] = [];
    for (const { key: object, ports, present } of this.#goals) {
      for (const [name, port] of present) {
        const wanted = ports.get(name);
        const kept = new Set(wanted === undefined ? [] : frontendIds(wanted));
        for (const [id, { key }] of port.frontends) {
          if (kept.has(id)) continue;
          // Another port of this round takes it over by overwriting the row: no packet finds it missing.
          if (claimed.has(id)) {
            port.frontends.delete(id);
            this.#state.owners.delete(id);
          } else gone.push({ key, id, port, object });
        }
      }
    }
    if (gone.length === 0) return;
    try {
      this.#state.maps.deleteFrontends(gone.map(({ key }) => key));
    } catch (error) {
      for (const { object } of gone) this.#failed.set(object, toError(error));
      return;
    }
    for (const { id, port } of gone) {
      port.frontends.delete(id);
      this.#state.owners.delete(id);
      this.#released.push(id);
    }
  }

  /** Ids, backends, slots and the flip, for every wanted port of one Service. */
  #fillPorts(goal: Goal): void {
    this.#addPorts(goal);
    for (const [name, wanted] of goal.ports) {
      const port = goal.present.get(name);
      if (port === undefined) continue;
      for (const scope of SCOPES) this.#flip(port, scope, wanted);
      this.#claim(goal.key, port, wanted);
    }
  }

  /** Names first: a port is present when its row is in the map. */
  #addPorts(goal: Goal): void {
    const { ids, maps, services } = this.#state;
    const added = [...goal.ports]
      .filter(([name]) => !goal.present.has(name))
      .map(([name, wanted]) => ({ name, row: serviceRow(wanted), service: ids.acquire(serviceRow(wanted)) }));
    if (added.length === 0) return;
    try {
      maps.putServices(added.map(({ service, row }) => [service, row]));
    } catch (error) {
      for (const { service, row } of added) ids.retire(service, row);
      throw error;
    }
    for (const { name, row, service } of added) {
      for (const scope of SCOPES) maps.writeSet(setOf(service, scope), 0n);
      goal.present.set(name, { service, name: row, frontends: new Map(), sets: { cluster: EMPTY, local: EMPTY } });
    }
    services.set(goal.key, goal.present);
  }

  #flip(port: PresentPort, scope: SetScope, wanted: WantedPort): void {
    const { tables, maps } = this.#state;
    const { backends, whenEmpty } = wanted.sets[scope];
    // A list that no frontend uses costs nothing.
    const used = wanted.frontends.some((frontend) => frontend.internal === scope || frontend.external === scope);
    const table = used && backends.length > 0 ? tables.acquire(backends, wanted.protocol) : undefined;
    const word =
      table === undefined
        ? packSet({ mode: whenEmpty === 'drop' ? SetMode.Drop : SetMode.Reject, first: 0, count: 0 })
        : packSet({ mode: SetMode.Hash, first: table.first, count: table.count });
    const before = port.sets[scope];
    if (before.word !== word) {
      maps.writeSet(setOf(port.service, scope), word);
      this.#flipped++;
    }
    port.sets[scope] = { table, word };
    this.#release(before.table);
  }

  #release(table: Table | undefined): void {
    if (table !== undefined && this.#state.tables.release(table)) this.#retiredTables.push(table);
  }

  #claim(key: ObjectKey, port: PresentPort, wanted: WantedPort): void {
    for (const frontend of wanted.frontends) {
      const row = frontendRow(wanted, frontend, port.service);
      const id = frontendId(row.key);
      const owner = this.#state.owners.get(id);
      if (owner !== undefined && owner !== port.service) {
        this.#conflicts.push({ service: key, frontend: id, owner });
        continue;
      }
      this.#state.owners.set(id, port.service);
      const present = port.frontends.get(id);
      if (present === undefined || !sameFrontend(present.row, row.row)) this.#puts.push({ key, port, frontend: row });
    }
  }

  #addFrontends(): void {
    const puts = this.#puts.filter(({ key }) => !this.#failed.has(key));
    try {
      this.#put(puts);
    } catch {
      // One Service's failure is not the others': find whose it is.
      for (const put of puts)
        this.#guard(put.key, () => {
          this.#put([put]);
        });
    }
  }

  #put(puts: readonly Put[]): void {
    if (puts.length === 0) return;
    this.#state.maps.putFrontends(puts.map(({ frontend }) => [frontend.key, frontend.row]));
    for (const { port, frontend } of puts) port.frontends.set(frontendId(frontend.key), frontend);
  }

  /** Ports that are wanted no more; their frontends have gone. */
  #retirePorts(goal: Goal): void {
    for (const [name, port] of goal.present) {
      if (goal.ports.has(name)) continue;
      for (const scope of SCOPES) {
        this.#state.maps.writeSet(setOf(port.service, scope), 0n);
        this.#release(port.sets[scope].table);
      }
      this.#state.ids.retire(port.service, port.name);
      goal.present.delete(name);
    }
    if (goal.present.size === 0) this.#state.services.delete(goal.key);
  }

  #guard(key: ObjectKey, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failed.set(key, toError(error));
    }
  }
}

const EMPTY: PresentSet = { table: undefined, word: 0n };

function frontendIds(port: WantedPort): FrontendId[] {
  return port.frontends.map((frontend) => frontendId(frontendRow(port, frontend, 0).key));
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
