// SPDX-License-Identifier: Apache-2.0
// What must wait until no program can be on its way to it: tables that no word points at, sets that no frontend leads
// to, ids of ports that have left. Whatever comes back into use in the meantime is not touched.

import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import type { SetScope } from '../plan/types.ts';
import type { BatchResult, State } from './batch.ts';
import type { PresentPort, PresentSet } from './present.ts';
import { EMPTY, SCOPES, setOf } from './present.ts';
import type { RetiredTable } from './table-store.ts';

export interface IdlePort {
  readonly key: ObjectKey;
  /** portKey. */
  readonly name: string;
  readonly port: PresentPort;
  /** The sets that are idle, as they were then: another one there now is in use again. */
  readonly sets: Readonly<Partial<Record<SetScope, PresentSet>>>;
}

export class Retirement {
  readonly #state: State;
  #tables: RetiredTable[] = [];
  #ports: IdlePort[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  /** Something waits for a grace period. */
  get pending(): boolean {
    return this.#tables.length > 0 || this.#ports.length > 0;
  }

  add({ retiredTables, idlePorts }: Pick<BatchResult, 'retiredTables' | 'idlePorts'>): void {
    this.#tables.push(...retiredTables);
    this.#ports.push(...idlePorts);
  }

  /** Frees what waits now. On failure it goes on waiting. */
  async run(maps: Pick<LbMaps, 'gracePeriod'>): Promise<void> {
    const [tables, ports] = [this.#tables, this.#ports];
    [this.#tables, this.#ports] = [[], []];
    try {
      await maps.gracePeriod();
    } catch (error) {
      this.add({ retiredTables: tables, idlePorts: ports });
      throw error;
    }
    for (const table of tables) this.#state.tables.free(table);
    for (const idle of ports) this.#empty(idle);
  }

  #empty({ key, name, port, sets }: IdlePort): void {
    for (const scope of SCOPES) {
      const set = sets[scope];
      if (set === undefined || port.sets[scope] !== set) continue;
      if (set.word !== 0n) this.#state.maps.writeSet(setOf(port.service, scope), 0n);
      port.sets[scope] = EMPTY;
      // Another set may have left the table since the grace period began.
      const retired = set.table === undefined ? undefined : this.#state.tables.release(set.table);
      if (retired !== undefined) this.#tables.push(retired);
    }
    if (port.leaving && SCOPES.every((scope) => port.sets[scope] === EMPTY)) this.#remove(key, name, port);
  }

  #remove(key: ObjectKey, name: string, port: PresentPort): void {
    const service = this.#state.services.get(key);
    if (service?.get(name) !== port) return;
    this.#state.ids.retire(port.service, port.name);
    service.delete(name);
    if (service.size === 0) this.#state.services.delete(key);
  }
}
