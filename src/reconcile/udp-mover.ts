// SPDX-License-Identifier: Apache-2.0
// Moves UDP away from backends that have ceased to serve: after each round of the reconciler in which one did, and again
// for what could not be moved then, when there is something to move it to. Rows of the packet path go; sockets of local
// processes are connected again.

import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Socket, UdpMoves } from '../abi/codecs.gen.ts';
import { Proto } from '../abi/enums.gen.ts';
import type { FlowMaps, LbMaps, UdpMoveCounts } from '../datapath/lb-maps.ts';
import { UdpFlows } from './udp-flows.ts';
import type { UdpServing } from './udp-serving.ts';

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface SocketMove {
  readonly cookie: bigint;
  /** The backend that it may be connected to. */
  readonly from: Endpoint;
  /** The frontend. */
  readonly to: Endpoint;
  readonly mayEnd: boolean;
}

export interface SocketMoveResult {
  readonly outcome: 'moved' | 'elsewhere' | 'refused' | 'ended' | 'unseen' | 'failed';
  readonly code: string;
}

export interface UdpMoverOptions {
  readonly maps: FlowMaps & Pick<LbMaps, 'readBackend' | 'gracePeriod'>;
  readonly serving: UdpServing;
  /** One result for each move. */
  readonly sockets: { move(moves: readonly SocketMove[]): Promise<readonly SocketMoveResult[]> };
  readonly counts: UdpMoveCounts;
  /** Milliseconds before the n-th retry; injected by tests. */
  readonly backoff?: (attempt: number) => number;
}

/** What one check has moved, and what is left. */
export interface UdpChecked {
  readonly flows: number;
  readonly sockets: number;
  readonly ended: number;
  readonly waiting: number;
  readonly survivors: number;
  /** Why sockets were ended or survived: errnos' names, or what became of them. */
  readonly reasons: readonly string[];
  readonly durationMs: number;
}

export interface UdpMoverEvents {
  checked: [UdpChecked];
  error: [unknown];
}

interface Left {
  readonly row: Socket;
  readonly why: 'waiting' | 'survivor';
}

const BATCH = 512;
/** Then it is left until something changes. */
const RETRIES = 5;

export class UdpMover extends EventEmitter<UdpMoverEvents> {
  readonly #options: UdpMoverOptions;
  readonly #flows: UdpFlows;
  /** Sockets that still have a backend that does not serve. */
  readonly #left = new Map<bigint, Left>();
  #due = false;
  /** The last check of everything has failed half-way. */
  #redo = false;
  #failures = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #retrying = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: UdpMoverOptions) {
    super();
    this.#options = options;
    this.#flows = new UdpFlows(options.maps, (service, backend) => options.serving.isStale(service, backend));
  }

  /** Nothing is under way, nothing waits for a retry. */
  get isIdle(): boolean {
    return this.#running === undefined && this.#retryTimer === undefined;
  }

  /** Sockets that have a backend which does not serve: while there is no other, and in spite of one. */
  get left(): { readonly waiting: number; readonly survivors: number } {
    const waiting = [...this.#left.values()].filter(({ why }) => why === 'waiting').length;
    return { waiting, survivors: this.#left.size - waiting };
  }

  /** The reconciler has applied something. */
  check(): void {
    if (this.#stopped) return;
    this.#due = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#due) this.check();
    });
  }

  /** Forgets what its owners have closed or connected elsewhere. */
  prune(): void {
    const before = this.#left.size;
    for (const cookie of this.#left.keys()) if (this.#staleRow(cookie) === undefined) this.#left.delete(cookie);
    if (this.#left.size !== before) this.#count({});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    await this.#running;
  }

  // --- internal ---

  async #run(): Promise<void> {
    while (this.#due && !this.#stopped) {
      this.#due = false;
      try {
        await this.#check();
      } catch (error) {
        this.#redo = true;
        this.#retryLater();
        this.emit('error', error);
      }
    }
  }

  async #check(): Promise<void> {
    const { serving } = this.#options;
    const touched = serving.takeTouched();
    const retrying = this.#retrying;
    this.#retrying = false;
    if (serving.takeCeased() || this.#redo) {
      await this.#checkAll();
      this.#redo = false;
      return;
    }
    const isRipe = ({ row, why }: Left): boolean => {
      const of = serving.serviceOf(row);
      const isTouched = touched.has(row.service) || (of !== undefined && touched.has(of));
      return isTouched ? serving.hasBackend(row) : retrying && why === 'survivor';
    };
    const ripe = [...this.#left].flatMap(([cookie, left]) => (isRipe(left) ? cookie : []));
    if (ripe.length > 0) await this.#moveAll(() => Promise.resolve(0), ripe);
  }

  async #checkAll(): Promise<void> {
    const { maps } = this.#options;
    const settled = (): Promise<void> => maps.gracePeriod();
    // A program that had read the old set may only now write down what it chose.
    await settled();
    this.#left.clear();
    await this.#moveAll(() => this.#flows.removeStale(settled), await this.#staleSockets());
  }

  async #staleSockets(): Promise<bigint[]> {
    const { maps, serving } = this.#options;
    const stale: bigint[] = [];
    let seen = 0;
    for (const [{ cookie }, { proto, service, backend }] of maps.sockets()) {
      if (++seen % BATCH === 0) await nextTurn();
      if (proto === Proto.Udp && serving.isStale(service, backend)) stale.push(cookie);
    }
    return stale;
  }

  /** Both at once, both to their end. */
  async #moveAll(removeFlows: () => Promise<number>, cookies: readonly bigint[]): Promise<void> {
    const started = performance.now();
    const tally = new Tally();
    const [flows, sockets] = await Promise.allSettled([removeFlows(), this.#moveSockets(cookies, tally)]);
    if (flows.status === 'fulfilled') tally.flows = flows.value;
    this.#count(tally);
    for (const done of [flows, sockets]) if (done.status === 'rejected') throw done.reason;
    this.emit('checked', { ...tally.totals, ...this.left, durationMs: performance.now() - started });
    if (tally.failed) this.#retryLater();
    else this.#failures = 0;
  }

  async #moveSockets(cookies: readonly bigint[], tally: Tally): Promise<void> {
    const { maps, serving, sockets } = this.#options;
    const moves = cookies.flatMap((cookie) => {
      const row = this.#staleRow(cookie);
      if (row === undefined) return [];
      const { addr, port } = maps.readBackend(row.backend);
      const [from, to] = [
        { address: addr, port },
        { address: row.addr, port: row.port },
      ];
      return [{ cookie, from, to, mayEnd: serving.hasBackend(row) }];
    });
    if (moves.length === 0) return;
    const results = await sockets.move(moves);
    for (const [i, { cookie }] of moves.entries()) {
      this.#settle(cookie, results[i] ?? { outcome: 'failed', code: '' }, tally);
    }
  }

  /** What its row says afterwards counts: the hook that chose has written it. */
  #settle(cookie: bigint, { outcome, code }: SocketMoveResult, tally: Tally): void {
    const { maps, serving } = this.#options;
    const row = this.#staleRow(cookie);
    this.#left.delete(cookie);
    if (outcome === 'ended') tally.add('ended', code);
    if (row === undefined) {
      if (outcome === 'moved') tally.add('sockets');
    } else if (outcome === 'ended' || outcome === 'elsewhere') {
      maps.deleteSockets([{ cookie }]);
    } else if (!serving.hasBackend(row)) {
      this.#left.set(cookie, { row, why: 'waiting' });
    } else {
      this.#left.set(cookie, { row, why: 'survivor' });
      tally.survived(outcome, code);
    }
  }

  #staleRow(cookie: bigint): Socket | undefined {
    const row = this.#options.maps.getSocket({ cookie });
    return row !== undefined && this.#options.serving.isStale(row.service, row.backend) ? row : undefined;
  }

  #count({ flows = 0, sockets = 0, ended = 0 }: { flows?: number; sockets?: number; ended?: number }): void {
    const { counts } = this.#options;
    const before = counts.read();
    const { waiting, survivors } = this.left;
    const after: UdpMoves = {
      flows: before.flows + BigInt(flows),
      sockets: before.sockets + BigInt(sockets),
      ended: before.ended + BigInt(ended),
      waiting: BigInt(waiting),
      survivors: BigInt(survivors),
    };
    counts.write(after);
  }

  #retryLater(): void {
    if (this.#stopped || this.#retryTimer !== undefined || this.#failures >= RETRIES) return;
    this.#retryTimer = setTimeout(
      () => {
        this.#retryTimer = undefined;
        this.#retrying = true;
        this.check();
      },
      (this.#options.backoff ?? defaultBackoff)(++this.#failures),
    );
  }
}

class Tally {
  flows = 0;
  sockets = 0;
  ended = 0;
  /** Some may succeed another time. */
  failed = false;
  readonly #reasons = new Set<string>();

  get totals(): Pick<UdpChecked, 'flows' | 'sockets' | 'ended' | 'reasons'> {
    return { flows: this.flows, sockets: this.sockets, ended: this.ended, reasons: [...this.#reasons] };
  }

  add(what: 'sockets' | 'ended', code = ''): void {
    this[what]++;
    if (code !== '') this.#reasons.add(code);
  }

  survived(outcome: string, code: string): void {
    this.#reasons.add(code === '' ? outcome : code);
    if (outcome !== 'unseen') this.failed = true;
  }
}

function defaultBackoff(attempt: number): number {
  return Math.min(30_000, 100 * 2 ** (attempt - 1));
}
