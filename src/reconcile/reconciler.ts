// SPDX-License-Identifier: Apache-2.0
// The loop: changed Services are planned and applied in rounds, failures are retried with backoff, old generations are
// freed after a grace period. Nothing else writes the Service maps.

import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Store } from '../model/store.ts';
import type { ObjectKey } from '../model/types.ts';
import type { NodeView } from '../plan/eligible.ts';
import { planService } from '../plan/plan.ts';
import type { WantedService } from '../plan/types.ts';
import { BackendTable } from './backend-table.ts';
import { Batch } from './batch.ts';
import type { Conflict, State } from './batch.ts';
import type { FrontendId } from './present.ts';
import { restorePresent } from './restore.ts';
import { ServiceIds } from './service-ids.ts';
import type { Table } from './table-store.ts';
import { TableStore } from './table-store.ts';

export interface ReconcilerOptions {
  readonly maps: LbMaps;
  readonly store: Store;
  readonly nodeName: string;
  /** Largest Maglev table; a prime of TABLE_SIZES. */
  readonly tableCap: number;
  /** Milliseconds before the n-th retry; injected by tests. */
  readonly backoff?: (attempt: number) => number;
}

export interface ReconcilerEvents {
  /** Everything known is in the maps, for the first time since start. */
  ready: [];
  /** Some Services were applied. */
  applied: [{ readonly services: number; readonly flipped: number; readonly durationMs: number }];
  problem: [{ readonly service: ObjectKey; readonly message: string; readonly retryMs: number }];
  error: [unknown];
}

/** A turn of the event loop spent on rounds, at most about this long. */
const TURN_MS = 20;
const ROUND = 64;

export class Reconciler extends EventEmitter<ReconcilerEvents> {
  readonly backends: BackendTable;
  readonly ids: ServiceIds;
  readonly tables: TableStore;
  readonly #state: State;
  readonly #options: ReconcilerOptions;
  readonly #failures = new Map<ObjectKey, { attempts: number; message: string; timer: NodeJS.Timeout }>();
  readonly #conflicts = new Map<ObjectKey, readonly Conflict[]>();
  readonly #contenders = new Map<FrontendId, Set<ObjectKey>>();
  readonly #queue = new Set<ObjectKey>();
  #retiredTables: Table[] = [];
  #nodeRevision = -1;
  #scheduled = false;
  #running: Promise<void> = Promise.resolve();
  #freeing: Promise<void> | undefined;
  #ready = false;
  #stopped = false;
  readonly #wake = (): void => {
    this.#schedule();
  };

  constructor(options: ReconcilerOptions) {
    super();
    this.#options = options;
    this.backends = new BackendTable(options.maps);
    this.ids = new ServiceIds(options.maps);
    this.tables = new TableStore(options.maps, this.backends, options.tableCap);
    const { services, owners, strays } = restorePresent(options.maps, this.backends, this.tables, this.ids);
    if (strays.length > 0) options.maps.deleteFrontends(strays);
    this.#state = { maps: options.maps, tables: this.tables, ids: this.ids, services, owners };
  }

  get ready(): boolean {
    return this.#ready;
  }

  start(): void {
    this.#options.store.on('change', this.#wake);
    this.#schedule();
  }

  /** Waits for the round under way. The maps stay as they are. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.store.off('change', this.#wake);
    for (const { timer } of this.#failures.values()) clearTimeout(timer);
    await this.#running;
    await this.#freeing;
  }

  /** Resolves when nothing is waiting for a round or to be freed; what has failed waits for its own time. */
  async idle(): Promise<void> {
    do {
      await nextTurn();
      await this.#running;
      await this.#freeing;
    } while (this.#scheduled || this.#freeing !== undefined);
  }

  /** Services that will be tried again. */
  get failures(): number {
    return this.#failures.size;
  }

  /** What is wanted but not in the maps, and why. */
  problems(): { readonly service: ObjectKey; readonly message: string }[] {
    const failed = [...this.#failures].map(([service, { message }]) => ({ service, message }));
    const lost = [...this.#conflicts.values()].flat().map(({ service, frontend, owner }) => ({
      service,
      message: `frontend ${frontend} belongs to ${this.#ownerName(owner)}; give one of them another address or port`,
    }));
    return [...failed, ...lost];
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped || !this.#options.store.synced) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#running = this.#running
        .then(() => this.#sync())
        .catch((error: unknown) => {
          this.emit('error', error);
        });
    });
  }

  async #sync(): Promise<void> {
    this.#collect();
    const started = performance.now();
    let turn = started;
    let services = 0;
    let flipped = 0;
    while (this.#queue.size > 0 && !this.#stopped) {
      const keys = [...this.#queue].slice(0, ROUND);
      for (const key of keys) this.#queue.delete(key);
      flipped += this.#round(keys);
      services += keys.length;
      if (performance.now() - turn > TURN_MS) {
        await nextTurn();
        turn = performance.now();
        this.#collect();
      }
    }
    this.#freeTables();
    if (services > 0) this.emit('applied', { services, flipped, durationMs: performance.now() - started });
    if (!this.#ready && !this.#stopped) {
      this.#ready = true;
      this.emit('ready');
    }
  }

  #collect(): void {
    const { store } = this.#options;
    for (const key of store.takeDirty()) this.#queue.add(key);
    if (this.#nodeRevision === store.nodeRevision) return;
    // The first time, too: what is present and wanted no more must go.
    this.#nodeRevision = store.nodeRevision;
    for (const key of store.services.keys()) this.#queue.add(key);
    for (const key of this.#state.services.keys()) this.#queue.add(key);
  }

  #round(keys: readonly ObjectKey[]): number {
    const wanted = keys.map((key) => this.#plan(key));
    for (const key of keys) this.#forgetConflicts(key);
    const result = new Batch(this.#state, wanted).run();
    for (const key of keys) {
      const error = result.failed.get(key);
      if (error === undefined) this.#recovered(key);
      else this.#retry(key, error);
    }
    for (const conflict of result.conflicts) this.#addConflict(conflict);
    for (const frontend of result.released) {
      for (const key of this.#contenders.get(frontend) ?? []) this.#queue.add(key);
    }
    this.#retiredTables.push(...result.retiredTables);
    return result.flipped;
  }

  #plan(key: ObjectKey): WantedService {
    const { store, nodeName } = this.#options;
    const service = store.services.get(key);
    if (service === undefined) return { key, ports: [] };
    const node: NodeView = { name: nodeName, zone: store.nodes.get(nodeName)?.zone ?? '' };
    return planService(service, store.slices.get(key)?.values() ?? [], node);
  }

  #freeTables(): void {
    if (this.#retiredTables.length === 0 || this.#freeing !== undefined) return;
    const tables = this.#retiredTables;
    this.#retiredTables = [];
    this.#freeing = this.#options.maps
      .gracePeriod()
      .then(() => {
        for (const table of tables) this.tables.free(table);
      })
      .catch((error: unknown) => {
        this.#retiredTables.push(...tables);
        this.emit('error', error);
      })
      .finally(() => {
        this.#freeing = undefined;
        if (!this.#stopped) this.#freeTables();
      });
  }

  #retry(key: ObjectKey, error: Error): void {
    const attempts = (this.#failures.get(key)?.attempts ?? 0) + 1;
    const retryMs = (this.#options.backoff ?? defaultBackoff)(attempts);
    clearTimeout(this.#failures.get(key)?.timer);
    const timer = setTimeout(() => {
      this.#queue.add(key);
      this.#schedule();
    }, retryMs);
    this.#failures.set(key, { attempts, message: error.message, timer });
    this.emit('problem', { service: key, message: error.message, retryMs });
  }

  #recovered(key: ObjectKey): void {
    clearTimeout(this.#failures.get(key)?.timer);
    this.#failures.delete(key);
  }

  #addConflict(conflict: Conflict): void {
    this.#conflicts.set(conflict.service, [...(this.#conflicts.get(conflict.service) ?? []), conflict]);
    let contenders = this.#contenders.get(conflict.frontend);
    if (contenders === undefined) this.#contenders.set(conflict.frontend, (contenders = new Set<ObjectKey>()));
    contenders.add(conflict.service);
  }

  #forgetConflicts(key: ObjectKey): void {
    for (const { frontend } of this.#conflicts.get(key) ?? []) {
      const contenders = this.#contenders.get(frontend);
      contenders?.delete(key);
      if (contenders?.size === 0) this.#contenders.delete(frontend);
    }
    this.#conflicts.delete(key);
  }

  #ownerName(id: number): string {
    for (const [key, ports] of this.#state.services) {
      for (const port of ports.values()) if (port.service === id) return key;
    }
    return `service id ${String(id)}`;
  }
}

function defaultBackoff(attempt: number): number {
  return Math.min(30_000, 100 * 2 ** (attempt - 1));
}
