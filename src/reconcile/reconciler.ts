// SPDX-License-Identifier: Apache-2.0
// The loop: changed Services are planned and applied in rounds, failures are retried with backoff, old generations are
// freed after a grace period. Nothing else writes the Service maps.

import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PairKey } from '../abi/codecs.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { ObjectKey } from '../model/types.ts';
import { BackendTable } from './backend-table.ts';
import { Batch } from './batch.ts';
import type { State } from './batch.ts';
import { Conflicts } from './conflicts.ts';
import type { KeptNames } from './inherited.ts';
import type { PlannerOptions } from './planner.ts';
import { Planner } from './planner.ts';
import type { Held } from './present-view.ts';
import { balancedByLoad, heldBy, presentFrontends, serviceOf } from './present-view.ts';
import { restorePresent } from './restore.ts';
import { Retirement } from './retirement.ts';
import type { Backoff } from './retries.ts';
import { defaultBackoff, Retries, Setback } from './retries.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { ServiceIds } from './service-ids.ts';
import { Strays } from './strays.ts';
import { TableStore } from './table-store.ts';
import { UdpServing } from './udp-serving.ts';
import { WorkQueue } from './work-queue.ts';

export interface ReconcilerOptions extends PlannerOptions {
  readonly maps: LbMaps;
  /** Largest Maglev table; a prime of TABLE_SIZES. */
  readonly tableCap: number;
  /** Injected by tests. */
  readonly backoff?: Backoff;
}

/** What was in the maps before the start and in no object, and stays because these places could not be read. */
export interface Kept extends KeptNames {
  readonly unread: readonly string[];
}

export interface ReconcilerEvents {
  /** Everything known is in the maps, or is one of problems(), for the first time since start. */
  ready: [];
  /** Some Services were applied. */
  applied: [{ readonly services: number; readonly flipped: number; readonly durationMs: number }];
  keeping: [Kept];
  /** Everything can be read now: what nobody wants goes. */
  released: [];
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
  readonly udp: UdpServing;
  readonly #state: State;
  readonly #options: ReconcilerOptions;
  readonly #planner: Planner;
  readonly #queue = new WorkQueue();
  readonly #retries: Retries;
  readonly #setback: Setback;
  readonly #conflicts = new Conflicts();
  /** What objects say that cannot be done. */
  readonly #warnings = new Map<ObjectKey, readonly string[]>();
  readonly #retirement: Retirement;
  #retiring: Promise<void> | undefined;
  readonly #strays: Strays;
  #scheduled = false;
  /** Under way or waiting for the one under way. */
  #syncs = 0;
  #running: Promise<void> = Promise.resolve();
  /** A grace period has passed since the predecessor's last write. */
  #settledIn = false;
  #ready = false;
  #stopped = false;
  readonly #wake = (): void => {
    this.#schedule();
  };

  constructor(options: ReconcilerOptions) {
    super();
    this.#options = options;
    this.#planner = new Planner(options);
    const { backoff = defaultBackoff } = options;
    this.#retries = new Retries(backoff, (key) => {
      this.#enqueue(key);
      this.#schedule();
    });
    this.#setback = new Setback(backoff, this.#wake);
    this.backends = new BackendTable(options.maps);
    this.ids = new ServiceIds(options.maps);
    this.tables = new TableStore(options.maps, this.backends, options.tableCap);
    const { services, owners, strays } = restorePresent(options.maps, this.backends, this.tables, this.ids);
    const addresses = new ServiceAddresses(options.maps);
    this.#state = { maps: options.maps, tables: this.tables, ids: this.ids, services, owners, addresses };
    addresses.restore(presentFrontends(services));
    this.#strays = new Strays(this.#state, strays);
    this.#retirement = new Retirement(this.#state);
    this.udp = new UdpServing(this.backends, owners, services.values());
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Nothing waits: for a round, for a retry, or for a grace period. */
  get isIdle(): boolean {
    const waiting = this.#queue.size + this.#retries.size;
    const busy = this.#scheduled || this.#syncs > 0 || this.#setback.isWaiting;
    return waiting === 0 && !busy && this.#retiring === undefined && !this.#retirement.pending;
  }

  start(): void {
    this.#options.store.on('change', this.#wake);
    this.#schedule();
  }

  /** Waits for the round under way. The maps stay as they are. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.store.off('change', this.#wake);
    this.#retries.stop();
    await this.#running;
    await this.#retiring;
    this.#setback.stop();
  }

  balancedByLoad(): Iterable<PairKey> {
    return balancedByLoad(this.#state.services);
  }

  held(): Iterable<Held> {
    return heldBy(this.#state.services);
  }

  /** What was in the maps at the start and is in no object, as long as something cannot be read. */
  kept(): Kept {
    return { ...this.#planner.kept(), unread: this.#options.store.unreadPlaces };
  }

  /** What is wanted but not in the maps, and why. */
  problems(): { readonly service: ObjectKey; readonly message: string }[] {
    const failed = [...this.#retries.errors()].map(([service, { message }]) => ({ service, message }));
    const { owners, services } = this.#state;
    const lost = [...this.#conflicts.all()].map(({ service, frontend }) => {
      const owner = serviceOf(services, owners.get(frontend)) ?? 'nobody yet';
      return { service, message: `frontend ${frontend} belongs to ${owner}; give one of them another address or port` };
    });
    const said = [...this.#warnings].flatMap(([service, texts]) => texts.map((message) => ({ service, message })));
    return [...failed, ...lost, ...said];
  }

  /** Why the last attempt at something that belongs to no Service has failed, until one succeeds. */
  get setback(): string | undefined {
    return this.#setback.reason;
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped || !this.#options.store.synced) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#syncs++;
      this.#running = this.#running
        .then(() => this.#sync())
        .catch((error: unknown) => {
          this.#fail(error);
        })
        .finally(() => {
          this.#syncs--;
        });
    });
  }

  async #sync(): Promise<void> {
    await this.#settleIn();
    this.#collect();
    const started = performance.now();
    let turn = started;
    let services = 0;
    let flipped = 0;
    for (let keys = this.#take(); keys.length > 0 && !this.#stopped; keys = this.#take()) {
      flipped += this.#round(keys);
      services += keys.length;
      if (performance.now() - turn > TURN_MS) {
        await nextTurn();
        turn = performance.now();
        this.#collect();
      }
    }
    if (services > 0) this.emit('applied', { services, flipped, durationMs: performance.now() - started });
    if (!this.#ready && !this.#stopped) {
      this.#ready = true;
      const kept = this.kept();
      if (kept.services.length + kept.lists.length > 0) this.emit('keeping', kept);
      this.emit('ready');
    }
    this.#retire();
    this.#strays.remove();
    if (this.#retiring === undefined) this.#setback.recovered();
  }

  /** What the predecessor released may still be read: nothing is written before that has ended. */
  async #settleIn(): Promise<void> {
    if (this.#settledIn) return;
    const { maps } = this.#options;
    if (this.#state.services.size > 0) await maps.gracePeriod();
    this.backends.retireUnused();
    this.#planner.settleIn(this.#state.services, maps);
    this.#settledIn = true;
  }

  #collect(): void {
    const { store } = this.#options;
    for (const key of store.takeDirty()) this.#enqueue(key);
    const released = this.#planner.release() ?? [];
    for (const key of released) this.#enqueue(key);
    if (this.#ready && released.length > 0) this.emit('released');
    const change = this.#planner.takeChange();
    if (change === undefined) return;
    for (const key of store.services.keys()) this.#enqueue(key);
    // What is present and wanted no more must go.
    if (change === 'first') for (const key of this.#state.services.keys()) this.#enqueue(key);
  }

  #enqueue(key: ObjectKey): void {
    this.#queue.add(key, !this.#options.store.services.has(key));
  }

  /** The Services of the next round. */
  #take(): ObjectKey[] {
    const keys = this.#queue.take(ROUND);
    return this.#conflicts.isEmpty ? keys : this.#withContenders(keys);
  }

  /** Those who wait for a frontend of these come along, so that it passes on without a gap. */
  #withContenders(keys: readonly ObjectKey[]): ObjectKey[] {
    const all = new Set(keys);
    for (const key of keys) {
      for (const port of this.#state.services.get(key)?.values() ?? []) {
        for (const id of port.frontends.keys())
          for (const contender of this.#conflicts.contenders(id)) all.add(contender);
      }
    }
    this.#queue.drop(all);
    return [...all];
  }

  #round(keys: readonly ObjectKey[]): number {
    const wanted = keys.map((key) => this.#planner.plan(key));
    for (const key of keys) this.#conflicts.forget(key);
    for (const { key, warnings } of wanted) {
      if (warnings.length > 0) this.#warnings.set(key, warnings);
      else this.#warnings.delete(key);
    }
    const result = new Batch(this.#state, wanted).run();
    for (const key of keys) {
      const error = result.failed.get(key);
      if (error === undefined) this.#retries.recovered(key);
      else this.emit('problem', { service: key, message: error.message, retryMs: this.#retries.fail(key, error) });
    }
    for (const one of wanted) {
      if (!result.failed.has(one.key)) this.udp.note(one, this.#state.services.get(one.key));
    }
    for (const conflict of result.conflicts) this.#conflicts.add(conflict);
    for (const frontend of result.released) {
      for (const key of this.#conflicts.contenders(frontend)) this.#enqueue(key);
    }
    this.#retirement.add(result);
    return result.flipped;
  }

  #retire(): void {
    if (!this.#retirement.pending || this.#retiring !== undefined || this.#stopped) return;
    this.#retiring = this.#retirement
      .run(this.#options.maps)
      .then(() => {
        this.#retiring = undefined;
        this.#setback.recovered();
        this.#tryExhaustedAgain();
        this.#retire();
      })
      .catch((error: unknown) => {
        this.#retiring = undefined;
        this.#fail(error);
      });
  }

  /** There may be room now. */
  #tryExhaustedAgain(): void {
    for (const key of this.#retries.exhausted()) this.#enqueue(key);
    if (this.#queue.size > 0) this.#schedule();
  }

  /** Something that belongs to no Service has failed; a later round does it again. */
  #fail(error: unknown): void {
    this.#setback.fail(error);
    if (this.#stopped) this.#setback.stop();
    this.emit('error', error);
  }
}
