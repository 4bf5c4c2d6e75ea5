// SPDX-License-Identifier: Apache-2.0
// A mover of UDP behind a reconciler on maps in memory. Sockets are rows and what a connect() does to them; tests say
// which of them can be moved.

import type { UdpMoves } from '../../src/abi/codecs.gen.ts';
import { Proto, SetMode } from '../../src/abi/enums.gen.ts';
import { unpackSet } from '../../src/abi/set-word.ts';
import type { UdpMoveCounts } from '../../src/datapath/lb-maps.ts';
import type { SocketMove, SocketMoveResult, UdpChecked } from '../../src/reconcile/udp-mover.ts';
import { UdpMover } from '../../src/reconcile/udp-mover.ts';
import { SEGMENT_SLOTS } from './fake-lb-maps.ts';
import { address } from './records.ts';
import type { Change, StageOptions } from './stage.ts';
import { Stage } from './stage.ts';
import { waitFor } from './wait.ts';

export class FakeCounts implements UdpMoveCounts {
  row: UdpMoves = { flows: 0n, sockets: 0n, ended: 0n, waiting: 0n, survivors: 0n };

  read(): UdpMoves {
    return this.row;
  }

  write(counts: UdpMoves): void {
    this.row = counts;
  }
}

export class UdpStage {
  readonly stage: Stage;
  readonly counts = new FakeCounts();
  readonly checks: UdpChecked[] = [];
  readonly errors: unknown[] = [];
  /** What was asked for, call by call. */
  readonly moves: (readonly SocketMove[])[] = [];
  /** What becomes of a socket; undefined: it is connected to the frontend, if that has a backend. */
  fate: (move: SocketMove) => SocketMoveResult | undefined = () => undefined;
  mover!: UdpMover;
  #cookies = 0n;

  constructor(options: StageOptions = {}) {
    this.stage = new Stage(options);
    this.follow();
  }

  /** After every start of the stage. */
  follow(): void {
    const { maps, reconciler } = this.stage;
    this.mover = new UdpMover({
      maps,
      serving: reconciler.udp,
      sockets: { move: (moves) => this.#move(moves) },
      counts: this.counts,
      backoff: () => 0,
    });
    this.mover.on('checked', (checked) => this.checks.push(checked));
    this.mover.on('error', (error) => this.errors.push(error));
    for (const event of ['applied', 'ready'] as const)
      reconciler.on(event, () => {
        this.mover.check();
      });
  }

  async restart(): Promise<void> {
    await this.stop();
    this.stage.start();
    this.follow();
  }

  async stop(): Promise<void> {
    for (const end of this.stage.maps.graces?.splice(0) ?? []) end();
    this.stage.maps.graces = undefined;
    await this.stage.reconciler.stop();
    await this.mover.stop();
  }

  /** Applies the changes; resolves with what was checked because of them. */
  async change(...objects: readonly Change[]): Promise<UdpChecked[]> {
    const before = this.checks.length;
    this.stage.change(...objects);
    await this.settled();
    return this.checks.slice(before);
  }

  async settled(): Promise<void> {
    const { stage } = this;
    await waitFor('all to be done', () => stage.reconciler.ready && stage.reconciler.isIdle && this.mover.isIdle, {
      intervalMs: 0,
    });
  }

  /** A socket that was connected to a frontend and got this backend. Its cookie. */
  connect(frontend: string, port: number, backend: string, proto: Proto = Proto.Udp): bigint {
    const cookie = ++this.#cookies;
    const { service } = this.#frontend(frontend, port, proto);
    const id = this.backendId(backend);
    this.stage.kernel.sockets.push([{ cookie }, { addr: address(frontend), port, proto, service, backend: id }]);
    return cookie;
  }

  /** `address:port` of the backend that a socket has; undefined: it has no row. */
  backendOf(cookie: bigint): string | undefined {
    const row = this.stage.kernel.sockets.find(([key]) => key.cookie === cookie)?.[1];
    const backend = row === undefined ? undefined : this.stage.kernel.backends.get(row.backend);
    return backend === undefined ? undefined : `${backend.addr}:${backend.port}`;
  }

  close(cookie: bigint): void {
    this.stage.maps.deleteSockets([{ cookie }]);
  }

  /** As the row of a frontend says. */
  serviceOf(frontend: string, port: number, proto: Proto = Proto.Udp): number {
    return this.#frontend(frontend, port, proto).service;
  }

  /** `address:port`. */
  backendId(backend: string): number {
    const [id] = [...this.stage.kernel.backends].find(([, { addr, port }]) => `${addr}:${port}` === backend) ?? [];
    if (id === undefined) throw new Error(`no backend ${backend}`);
    return id;
  }

  // --- internal ---

  async #move(moves: readonly SocketMove[]): Promise<readonly SocketMoveResult[]> {
    this.moves.push(moves);
    await Promise.resolve();
    return moves.map((move) => this.fate(move) ?? this.#connectAgain(move));
  }

  /** As the hook does. */
  #connectAgain({ cookie, to }: SocketMove): SocketMoveResult {
    const { kernel } = this.stage;
    const frontend = [...kernel.frontends.values()].find(
      ([key]) => key.proto === Proto.Udp && key.port === to.port && [to.address, '0.0.0.0'].includes(key.addr),
    )?.[1];
    // Past the hook, to the frontend itself: the row stays.
    if (frontend === undefined) return { outcome: 'moved', code: '' };
    const backend = this.#choose(frontend.setInternal);
    if (backend === undefined) return { outcome: 'refused', code: 'ECONNREFUSED' };
    const at = kernel.sockets.findIndex(([key]) => key.cookie === cookie);
    const row = kernel.sockets[at]?.[1];
    if (row !== undefined) kernel.sockets[at] = [{ cookie }, { ...row, service: frontend.service, backend }];
    return { outcome: 'moved', code: '' };
  }

  /** The backend in a set's first slot. */
  #choose(set: number): number | undefined {
    const { kernel } = this.stage;
    const { mode, first } = unpackSet(kernel.sets.get(set) ?? 0n);
    return mode === SetMode.Hash
      ? kernel.segments[Math.floor(first / SEGMENT_SLOTS)]?.[first % SEGMENT_SLOTS]
      : undefined;
  }

  #frontend(frontend: string, port: number, proto: Proto): { service: number } {
    const row = this.stage.kernel.frontends.get(`${frontend} ${port}/${proto}`)?.[1];
    if (row === undefined) throw new Error(`no frontend ${frontend}:${port}`);
    return row;
  }
}
