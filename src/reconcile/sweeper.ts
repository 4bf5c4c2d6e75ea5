// SPDX-License-Identifier: Apache-2.0
// Walks the flow tables in bounded turns: removes what has expired, folds its counts into the traffic map, and learns
// which backend and service ids are still named, so that retired ones can be used again.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Flow, Flow4, Flow4Key, Flow6, Flow6Key } from '../abi/codecs.gen.ts';
import { FlowState, Proto } from '../abi/enums.gen.ts';
import type { FlowMaps, Row } from '../datapath/lb-maps.ts';
import type { BackendTable } from './backend-table.ts';
import type { ServiceIds } from './service-ids.ts';
import { foldTraffic } from './traffic.ts';

/** Seconds without a packet after which a flow has ended; kube-proxy's conntrack settings override some. */
export interface FlowTimeouts {
  readonly tcpEstablished: number;
  readonly tcpOpening: number;
  /** One side has sent its FIN. */
  readonly tcpCloseWait: number;
  /** Both have: TIME_WAIT. */
  readonly tcpClosing: number;
  readonly tcpReset: number;
  readonly udp: number;
  readonly udpStream: number;
}

/** Linux's conntrack defaults; kube-proxy's for established TCP and CLOSE_WAIT (KubeProxyConfiguration, conntrack). */
export const DEFAULT_TIMEOUTS: FlowTimeouts = {
  tcpEstablished: 86_400,
  tcpOpening: 120,
  tcpCloseWait: 3600,
  tcpClosing: 120,
  tcpReset: 10,
  udp: 30,
  udpStream: 120,
};

export interface SweepResult {
  readonly live: number;
  readonly removed: number;
  readonly backends: ReadonlySet<number>;
  readonly services: ReadonlySet<number>;
}

type AnyRow = Row<Flow4Key | Flow6Key, Flow4 | Flow6>;

const BATCH = 512;
/** Units of flow.last_seen in a second. */
const CLOCK_HZ = 1e9 / 2 ** 30;

export class Sweeper {
  readonly #maps: FlowMaps;
  readonly #timeouts: FlowTimeouts;
  /** CLOCK_MONOTONIC in ns. */
  readonly #clock: () => bigint;

  constructor(maps: FlowMaps, timeouts: FlowTimeouts, clock: () => bigint = () => process.hrtime.bigint()) {
    this.#maps = maps;
    this.#timeouts = timeouts;
    this.#clock = clock;
  }

  /** One walk over everything. What was retired before it began and is named by nothing that it met may be forgotten. */
  async sweep(backends: BackendTable, services: ServiceIds): Promise<SweepResult> {
    const retiredBackends = [...backends.retired];
    const retiredServices = [...services.retired];
    const named = { backends: new Set<number>(), services: new Set<number>() };
    const four = await this.#sweepFamily(
      this.#maps.flows4(),
      (key) => this.#maps.getFlow4(key),
      (keys) => {
        this.#maps.deleteFlows4(keys);
      },
      named,
    );
    const six = await this.#sweepFamily(
      this.#maps.flows6(),
      (key) => this.#maps.getFlow6(key),
      (keys) => {
        this.#maps.deleteFlows6(keys);
      },
      named,
    );
    for (const rows of [this.#maps.sockets(), this.#maps.udpPeers()]) {
      for (const [, { backend, service }] of rows) note(named, backend, service);
    }
    backends.forget(retiredBackends.filter(([id]) => !named.backends.has(id)));
    services.forget(retiredServices.filter(([id]) => !named.services.has(id)));
    return { live: four.live + six.live, removed: four.removed + six.removed, ...named };
  }

  async #sweepFamily(
    rows: Iterable<AnyRow>,
    find: (key: Flow4Key | Flow6Key) => Flow4 | Flow6 | undefined,
    remove: (keys: (Flow4Key | Flow6Key)[]) => void,
    named: { backends: Set<number>; services: Set<number> },
  ): Promise<{ live: number; removed: number }> {
    const expired: (Flow4Key | Flow6Key)[] = [];
    let live = 0;
    let seen = 0;
    const keep = ({ flow }: Flow4 | Flow6): void => {
      live++;
      note(named, flow.backend, flow.service);
    };
    for (const [key, row] of rows) {
      if (++seen % BATCH === 0) await nextTurn();
      if (this.#isOver(key, row) && this.#pairIsOver(key, row, find)) expired.push(key);
      else keep(row);
    }
    let removed = 0;
    for (let at = 0; at < expired.length; at += BATCH) {
      const over: AnyRow[] = [];
      for (const key of expired.slice(at, at + BATCH)) {
        // A packet may have come since the walk.
        const row = find(key);
        if (row === undefined) continue;
        if (this.#isOver(key, row) && this.#pairIsOver(key, row, find)) over.push([key, row]);
        else keep(row);
      }
      // Counts first: a flow must not vanish from both places.
      foldTraffic(this.#maps, over);
      remove(over.map(([key]) => key));
      removed += over.length;
      await nextTurn();
    }
    return { live, removed };
  }

  #isOver(key: { readonly proto: number }, { flow }: { readonly flow: Flow }): boolean {
    const now = Number((this.#clock() >> 30n) & 0xffff_ffffn);
    // Signed: a packet may have come since the clock was read.
    return ((now - flow.lastSeen) | 0) / CLOCK_HZ > this.#timeout(key.proto, flow);
  }

  #timeout(proto: number, flow: Flow): number {
    const t = this.#timeouts;
    if (proto !== Proto.Tcp) return flow.packets > 1n ? t.udpStream : t.udp;
    if (flow.state & FlowState.Rst) return t.tcpReset;
    const ended = flow.state & (FlowState.Fin | FlowState.PeerFin);
    if (ended === (FlowState.Fin | FlowState.PeerFin)) return t.tcpClosing;
    if (ended !== 0) return t.tcpCloseWait;
    return flow.state & FlowState.Ack ? t.tcpEstablished : t.tcpOpening;
  }

  /** A flow lives while either direction does: one row without the other would leak packets untranslated. */
  #pairIsOver(
    key: Flow4Key | Flow6Key,
    row: Flow4 | Flow6,
    find: (key: Flow4Key | Flow6Key) => Flow4 | Flow6 | undefined,
  ): boolean {
    const pair = { saddr: row.daddr, daddr: row.saddr, sport: row.flow.dport, dport: row.flow.sport, proto: key.proto };
    const other = find(pair);
    return other === undefined || this.#isOver(pair, other);
  }
}

function note(named: { backends: Set<number>; services: Set<number> }, backend: number, service: number): void {
  named.backends.add(backend);
  named.services.add(service);
}
