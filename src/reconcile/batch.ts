// SPDX-License-Identifier: Apache-2.0
// One round of the reconciler: some Services, from what is present to what is wanted, in the order that never shows a
// client half a change: frontends off, names, backends, slots, flip, frontends on. What nothing leads to any more is
// handed over to wait for a grace period: a program may have read the way to it just before.

import type { FrontendKey, Service } from '../abi/codecs.gen.ts';
import { SetMode } from '../abi/enums.gen.ts';
import { packSet } from '../abi/set-word.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { SetScope, WantedPort, WantedService } from '../plan/types.ts';
import type { FrontendId, PresentFrontend, PresentPort, PresentService } from './present.ts';
import {
  EMPTY,
  frontendId,
  frontendRow,
  leadsTo,
  portKey,
  sameFrontend,
  SCOPES,
  serviceRow,
  setOf,
} from './present.ts';
import type { IdlePort } from './retirement.ts';
import type { ServiceIds } from './service-ids.ts';
import type { RetiredTable, TableStore } from './table-store.ts';

export interface State {
  readonly maps: LbMaps;
  readonly tables: TableStore;
  readonly ids: ServiceIds;
  readonly services: Map<ObjectKey, PresentService>;
  /** Service ids by the frontends that they have in the maps. */
  readonly owners: Map<FrontendId, number>;
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

interface Goal {
  readonly key: ObjectKey;
  readonly ports: ReadonlyMap<string, GoalPort>;
  readonly present: PresentService;
}

interface GoalPort {
  readonly wanted: WantedPort;
  readonly name: Service;
  readonly frontends: ReadonlySet<FrontendId>;
}

interface Loss {
  readonly key: ObjectKey;
  readonly port: PresentPort;
  readonly id: FrontendId;
  readonly frontend: FrontendKey;
}

interface Addition {
  readonly key: ObjectKey;
  readonly present: PresentService;
  readonly portName: string;
  readonly name: Service;
  readonly service: number;
}

interface Put {
  readonly key: ObjectKey;
  readonly port: PresentPort;
  readonly id: FrontendId;
  readonly frontend: PresentFrontend;
}

export class Batch {
  readonly #state: State;
  readonly #goals: readonly Goal[];
  readonly #failed = new Map<ObjectKey, Error>();
  readonly #conflicts: Conflict[] = [];
  readonly #released: FrontendId[] = [];
  readonly #retiredTables: RetiredTable[] = [];
  readonly #idlePorts: IdlePort[] = [];
  /** Frontends that one port of this round lets go and another takes over. */
  readonly #passing = new Map<FrontendId, Loss>();
  #flipped = 0;

  /** wanted: every Service of this round, a deleted one without ports. */
  constructor(state: State, wanted: readonly WantedService[]) {
    this.#state = state;
    this.#goals = wanted.map(({ key, ports }) => ({
      key,
      ports: new Map(ports.map(toGoalPort)),
      present: state.services.get(key) ?? new Map<string, PresentPort>(),
    }));
  }

  run(): BatchResult {
    this.#removeFrontends();
    this.#addPorts();
    for (const goal of this.#goals)
      this.#guard(goal.key, () => {
        this.#fillPorts(goal);
      });
    this.#addFrontends();
    this.#dropNotTaken();
    for (const goal of this.#goals) if (!this.#failed.has(goal.key)) this.#retire(goal);
    return {
      failed: this.#failed,
      conflicts: this.#conflicts,
      released: this.#released,
      retiredTables: this.#retiredTables,
      idlePorts: this.#idlePorts,
      flipped: this.#flipped,
    };
  }

  #removeFrontends(): void {
    const lost = this.#goals.flatMap((goal) => [...losses(goal)]);
    if (lost.length === 0) return;
    const claimed = new Set<FrontendId>();
    for (const { ports } of this.#goals)
      for (const { frontends } of ports.values()) for (const id of frontends) claimed.add(id);
    const gone: Loss[] = [];
    for (const loss of lost) {
      // Taken over by overwriting the row: no packet finds it missing.
      if (claimed.has(loss.id)) this.#passing.set(loss.id, loss);
      else gone.push(loss);
    }
    this.#drop(gone);
  }

  #drop(losses: readonly Loss[]): void {
    this.#attempt(losses, (some) => {
      this.#state.maps.deleteFrontends(some.map(({ frontend }) => frontend));
      for (const { id, port } of some) {
        port.frontends.delete(id);
        this.#state.owners.delete(id);
        this.#released.push(id);
      }
    });
  }

  /** A port is present when its name is in the map. */
  #addPorts(): void {
    const { ids, maps, services } = this.#state;
    const added: Addition[] = [];
    for (const { key, ports, present } of this.#goals) {
      this.#guard(key, () => {
        for (const [portName, { name }] of ports) {
          if (!present.has(portName)) added.push({ key, present, portName, name, service: ids.acquire(name) });
        }
      });
    }
    this.#attempt(added, (some) => {
      maps.putServices(some.map(({ service, name }) => [service, name]));
    });
    for (const { key, present, portName, name, service } of added) {
      if (this.#failed.has(key)) {
        ids.retire(service, name);
        continue;
      }
      // An id is free, or retired, only when its words are 0.
      const sets = { cluster: EMPTY, local: EMPTY };
      present.set(portName, { service, name, frontends: new Map(), sets, leaving: false });
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
    const table = backends.length > 0 ? tables.acquire(backends, wanted.protocol) : undefined;
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
    const retired = before.table === undefined ? undefined : tables.release(before.table);
    if (retired !== undefined) this.#retiredTables.push(retired);
  }

  #addFrontends(): void {
    const { maps, owners } = this.#state;
    const puts = new Map<FrontendId, Put>();
    for (const goal of this.#goals) if (!this.#failed.has(goal.key)) this.#claim(goal, puts);
    const changed = [...puts.values()].filter(({ id, port, frontend }) => {
      const present = port.frontends.get(id);
      return present === undefined || !sameFrontend(present.row, frontend.row);
    });
    this.#attempt(changed, (some) => {
      maps.putFrontends(some.map(({ frontend }) => [frontend.key, frontend.row]));
      for (const { id, port, frontend } of some) {
        this.#passing.get(id)?.port.frontends.delete(id);
        port.frontends.set(id, frontend);
        owners.set(id, port.service);
      }
    });
    for (const { id } of changed) if (!owners.has(id)) this.#released.push(id);
  }

  /** First come, first served: a frontend belongs to the port that has it until that one lets go. */
  #claim({ key, ports, present }: Goal, puts: Map<FrontendId, Put>): void {
    for (const [name, { wanted }] of ports) {
      const port = present.get(name);
      if (port === undefined) continue;
      for (const one of wanted.frontends) {
        const frontend = frontendRow(wanted, one, port.service);
        const id = frontendId(frontend.key);
        const holder = this.#passing.has(id) ? undefined : this.#state.owners.get(id);
        const owner = puts.get(id)?.port.service ?? holder ?? port.service;
        if (owner === port.service) puts.set(id, { key, port, id, frontend });
        else this.#conflicts.push({ service: key, frontend: id });
      }
    }
  }

  /** Who was to take over has failed. Within one Service the old port keeps the frontend until the next try; an other's
   * failure is no reason to keep what was to go. */
  #dropNotTaken(): void {
    this.#drop([...this.#passing.values()].filter(({ port, id }) => port.frontends.has(id)));
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

  /** All at once; if that fails, one by one, because one Service's failure is not the others'. */
  #attempt<T extends { readonly key: ObjectKey }>(items: readonly T[], write: (some: readonly T[]) => void): void {
    const some = items.filter(({ key }) => !this.#failed.has(key));
    if (some.length === 0) return;
    try {
      write(some);
    } catch {
      for (const item of some)
        this.#guard(item.key, () => {
          write([item]);
        });
    }
  }

  #guard(key: ObjectKey, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failed.set(key, toError(error));
    }
  }
}

/** A list that no frontend uses costs nothing; one that a present frontend still uses is kept up until that changes. */
function isNeeded(port: PresentPort, scope: SetScope, wanted: WantedPort | undefined): boolean {
  const isWanted =
    wanted?.frontends.some(({ internal, external }) => internal === scope || external === scope) ?? false;
  return isWanted || leadsTo(port, scope);
}

/** Frontends that a Service has and does not want, or wants for another of its ports. */
function* losses({ key, ports, present }: Goal): Generator<Loss> {
  for (const [name, port] of present) {
    const kept = ports.get(name)?.frontends;
    for (const [id, { key: frontend }] of port.frontends) if (kept?.has(id) !== true) yield { key, port, id, frontend };
  }
}

function toGoalPort(wanted: WantedPort): [string, GoalPort] {
  const name = serviceRow(wanted);
  const frontends = new Set(wanted.frontends.map((frontend) => frontendId(frontendRow(wanted, frontend, 0).key)));
  return [portKey(name), { wanted, name, frontends }];
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
