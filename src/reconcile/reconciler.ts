// SPDX-License-Identifier: Apache-2.0
// The loop: changed Services are planned and applied in rounds, failures are retried with backoff, old generations are
// freed after a grace period. Nothing else writes the Service maps.

import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FrontendKey } from '../abi/codecs.gen.ts';
import { FrontendFlags } from '../abi/enums.gen.ts';
import { messageOf } from '../errors.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Store } from '../model/store.ts';
import type { ObjectKey } from '../model/types.ts';
import type { Address } from '../net/ip.ts';
import type { NodeView } from '../plan/eligible.ts';
import { planService } from '../plan/plan.ts';
import type { WantedService } from '../plan/types.ts';
import { BackendTable } from './backend-table.ts';
import { Batch } from './batch.ts';
import type { Conflict, State } from './batch.ts';
import { Exhausted } from './exhausted.ts';
import { Inherited } from './inherited.ts';
import type { KeptNames } from './inherited.ts';
import type { FrontendId } from './present.ts';
import { frontendId } from './present.ts';
import { restorePresent } from './restore.ts';
import { Retirement } from './retirement.ts';
import { ServiceIds } from './service-ids.ts';
import { TableStore } from './table-store.ts';
import { UdpServing } from './udp-serving.ts';

export interface ReconcilerOptions {
  readonly maps: LbMaps;
  readonly store: Store;
  readonly nodeName: string;
  /** Largest Maglev table; a prime of TABLE_SIZES. */
  readonly tableCap: number;
  /** Milliseconds before the n-th retry; injected by tests. */
  readonly backoff?: (attempt: number) => number;
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
  readonly #failures = new Map<ObjectKey, { attempts: number; error: Error; timer: NodeJS.Timeout }>();
  readonly #conflicts = new Map<ObjectKey, readonly FrontendId[]>();
  /** Who lost a conflict, by the frontend. */
  readonly #contenders = new Map<FrontendId, Set<ObjectKey>>();
  readonly #queue = new Set<ObjectKey>();
  /** Services that have gone: last, so that who takes over what they have is known by then. */
  readonly #removals = new Set<ObjectKey>();
  readonly #retirement: Retirement;
  #retiring: Promise<void> | undefined;
  #strays: readonly FrontendKey[];
  #zone: string | undefined;
  /** Undefined: everything that was there before is known, or has gone. */
  #inherited: Inherited | undefined;
  #scheduled = false;
  /** Under way or waiting for the one under way. */
  #syncs = 0;
  #running: Promise<void> = Promise.resolve();
  /** Failures of what belongs to no Service. */
  #setbacks = 0;
  #setbackReason: string | undefined;
  #setbackTimer: NodeJS.Timeout | undefined;
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
    this.backends = new BackendTable(options.maps);
    this.ids = new ServiceIds(options.maps);
    this.tables = new TableStore(options.maps, this.backends, options.tableCap);
    const { services, owners, strays } = restorePresent(options.maps, this.backends, this.tables, this.ids);
    this.#strays = strays;
    this.#state = { maps: options.maps, tables: this.tables, ids: this.ids, services, owners };
    this.#retirement = new Retirement(this.#state);
    this.udp = new UdpServing(this.backends, owners, services.values());
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Nothing waits: for a round, for a retry, or for a grace period. */
  get isIdle(): boolean {
    const waiting = this.#queue.size + this.#removals.size + this.#failures.size;
    const busy = this.#scheduled || this.#syncs > 0 || this.#setbackTimer !== undefined;
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
    for (const { timer } of this.#failures.values()) clearTimeout(timer);
    await this.#running;
    await this.#retiring;
    clearTimeout(this.#setbackTimer);
  }

  /** Cluster IPs and node ports by the Services that have them in the maps. */
  *held(): Generator<{ service: ObjectKey; addresses: Address[]; nodePorts: number[] }> {
    for (const [service, ports] of this.#state.services) {
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

  /** What was in the maps at the start and is in no object, as long as something cannot be read. */
  kept(): Kept {
    const names = this.#inherited?.kept() ?? { services: [], lists: [] };
    return { ...names, unread: this.#options.store.unreadPlaces };
  }

  /** What is wanted but not in the maps, and why. */
  problems(): { readonly service: ObjectKey; readonly message: string }[] {
    const failed = [...this.#failures].map(([service, { error }]) => ({ service, message: error.message }));
    const lost = [...this.#conflicts].flatMap(([service, frontends]) =>
      frontends.map((frontend) => ({
        service,
        message: `frontend ${frontend} belongs to ${this.#ownerName(frontend)}; give one of them another address or port`,
      })),
    );
    return [...failed, ...lost];
  }

  /** Why the last attempt at something that belongs to no Service has failed, until one succeeds. */
  get setback(): string | undefined {
    return this.#setbackReason;
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
          this.#setback(error);
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
      this.#tellKept();
      this.emit('ready');
    }
    this.#retire();
    this.#removeStrays();
    if (this.#retiring === undefined) this.#gotOn();
  }

  /** What the predecessor released may still be read: nothing is written before that has ended. */
  async #settleIn(): Promise<void> {
    if (this.#settledIn) return;
    const { maps, store } = this.#options;
    if (this.#state.services.size > 0) await maps.gracePeriod();
    this.backends.retireUnused();
    if (store.unreadPlaces.length > 0) this.#inherited = new Inherited(this.#state.services, maps);
    this.#settledIn = true;
  }

  #collect(): void {
    const { store, nodeName } = this.#options;
    for (const key of store.takeDirty()) this.#enqueue(key);
    if (this.#inherited !== undefined && store.unreadPlaces.length === 0) this.#releaseKept(this.#inherited);
    const zone = store.nodes.get(nodeName)?.zone ?? '';
    if (this.#zone === zone) return;
    const isFirst = this.#zone === undefined;
    this.#zone = zone;
    for (const key of store.services.keys()) this.#enqueue(key);
    // What is present and wanted no more must go.
    if (isFirst) for (const key of this.#state.services.keys()) this.#enqueue(key);
  }

  #enqueue(key: ObjectKey): void {
    const gone = !this.#options.store.services.has(key);
    (gone ? this.#removals : this.#queue).add(key);
    (gone ? this.#queue : this.#removals).delete(key);
  }

  /** The Services of the next round. */
  #take(): ObjectKey[] {
    const from = this.#queue.size > 0 ? this.#queue : this.#removals;
    const keys: ObjectKey[] = [];
    for (const key of from) {
      if (keys.length === ROUND) break;
      keys.push(key);
      from.delete(key);
    }
    return this.#contenders.size === 0 ? keys : this.#withContenders(keys);
  }

  /** Those who wait for a frontend of these come along, so that it passes on without a gap. */
  #withContenders(keys: readonly ObjectKey[]): ObjectKey[] {
    const all = new Set(keys);
    for (const key of keys) {
      for (const port of this.#state.services.get(key)?.values() ?? []) {
        for (const id of port.frontends.keys())
          for (const contender of this.#contenders.get(id) ?? []) all.add(contender);
      }
    }
    for (const key of all) {
      this.#queue.delete(key);
      this.#removals.delete(key);
    }
    return [...all];
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
    for (const one of wanted) {
      if (!result.failed.has(one.key)) this.udp.note(one, this.#state.services.get(one.key));
    }
    for (const conflict of result.conflicts) this.#addConflict(conflict);
    for (const frontend of result.released) {
      for (const key of this.#contenders.get(frontend) ?? []) this.#enqueue(key);
    }
    this.#retirement.add(result);
    return result.flipped;
  }

  #plan(key: ObjectKey): WantedService {
    const { store, nodeName } = this.#options;
    const service = store.services.get(key);
    const slices = store.slices.get(key) ?? [];
    const node: NodeView = { name: nodeName, zone: store.nodes.get(nodeName)?.zone ?? '' };
    const planned = service === undefined ? undefined : planService(service, slices, node);
    if (this.#inherited === undefined) return planned ?? { key, ports: [] };
    return this.#inherited.complete(key, { planned, slices, node, isPartial: store.isPartial(key) });
  }

  #tellKept(): void {
    const kept = this.kept();
    if (kept.services.length + kept.lists.length > 0) this.emit('keeping', kept);
  }

  #releaseKept(inherited: Inherited): void {
    const kept = [...inherited.keys()];
    this.#inherited = undefined;
    for (const key of kept) this.#enqueue(key);
    if (this.#ready && kept.length > 0) this.emit('released');
  }

  #retire(): void {
    if (!this.#retirement.pending || this.#retiring !== undefined || this.#stopped) return;
    this.#retiring = this.#retirement
      .run(this.#options.maps)
      .then(() => {
        this.#retiring = undefined;
        this.#gotOn();
        this.#tryExhaustedAgain();
        this.#retire();
      })
      .catch((error: unknown) => {
        this.#retiring = undefined;
        this.#setback(error);
      });
  }

  /** There may be room now. */
  #tryExhaustedAgain(): void {
    for (const [key, { error }] of this.#failures) if (error instanceof Exhausted) this.#enqueue(key);
    if (this.#queue.size > 0) this.#schedule();
  }

  #removeStrays(): void {
    const strays = this.#strays.filter((key) => !this.#state.owners.has(frontendId(key)));
    if (strays.length > 0) this.#options.maps.deleteFrontends(strays);
    this.#strays = [];
  }

  #gotOn(): void {
    this.#setbacks = 0;
    this.#setbackReason = undefined;
  }

  /** Something that belongs to no Service has failed; a later round does it again. */
  #setback(error: unknown): void {
    if (!this.#stopped && this.#setbackTimer === undefined) {
      this.#setbackTimer = setTimeout(() => {
        this.#setbackTimer = undefined;
        this.#schedule();
      }, this.#backoff(++this.#setbacks));
    }
    this.#setbackReason = messageOf(error);
    this.emit('error', error);
  }

  #backoff(attempt: number): number {
    return (this.#options.backoff ?? defaultBackoff)(attempt);
  }

  #retry(key: ObjectKey, error: Error): void {
    const attempts = (this.#failures.get(key)?.attempts ?? 0) + 1;
    const retryMs = this.#backoff(attempts);
    clearTimeout(this.#failures.get(key)?.timer);
    const timer = setTimeout(() => {
      this.#enqueue(key);
      this.#schedule();
    }, retryMs);
    this.#failures.set(key, { attempts, error, timer });
    this.emit('problem', { service: key, message: error.message, retryMs });
  }

  #recovered(key: ObjectKey): void {
    clearTimeout(this.#failures.get(key)?.timer);
    this.#failures.delete(key);
  }

  #addConflict({ service, frontend }: Conflict): void {
    this.#conflicts.set(service, [...(this.#conflicts.get(service) ?? []), frontend]);
    let contenders = this.#contenders.get(frontend);
    if (contenders === undefined) this.#contenders.set(frontend, (contenders = new Set<ObjectKey>()));
    contenders.add(service);
  }

  #forgetConflicts(key: ObjectKey): void {
    for (const frontend of this.#conflicts.get(key) ?? []) {
      const contenders = this.#contenders.get(frontend);
      contenders?.delete(key);
      if (contenders?.size === 0) this.#contenders.delete(frontend);
    }
    this.#conflicts.delete(key);
  }

  #ownerName(frontend: FrontendId): string {
    const id = this.#state.owners.get(frontend);
    for (const [key, ports] of this.#state.services) {
      for (const port of ports.values()) if (port.service === id) return key;
    }
    return 'nobody yet';
  }
}

function defaultBackoff(attempt: number): number {
  return Math.min(30_000, 100 * 2 ** (attempt - 1));
}
