// SPDX-License-Identifier: Apache-2.0
// Walks the flow tables in bounded turns: removes what has expired, folds its counts into the traffic map, and learns
// which backend and service ids are still named, so that retired ones can be used again.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AffinityKey, Flow, PairKey } from '../abi/codecs.gen.ts';
import { FlowFlags, FlowState, Proto } from '../abi/enums.gen.ts';
import type { EndedFlow, FlowMaps, FlowRemover, Row } from '../datapath/lb-maps.ts';
import type { BackendTable } from './backend-table.ts';
import { ConnectionAudit } from './connection-audit.ts';
import type { ServiceIds } from './service-ids.ts';
import type { AnyFlow, AnyFlowKey } from './traffic.ts';
import { foldTraffic, unfoldTraffic } from './traffic.ts';

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

interface Family {
  readonly family: 4 | 6;
  readonly rows: () => Iterable<Row<AnyFlowKey, AnyFlow>>;
  readonly find: (key: AnyFlowKey) => AnyFlow | undefined;
}

interface Named {
  readonly backends: Set<number>;
  readonly services: Set<number>;
}

const BATCH = 512;
/** Units of flow.last_seen in a second. */
const CLOCK_HZ = 1e9 / 2 ** 30;

export class Sweeper {
  readonly #maps: FlowMaps;
  readonly #remover: FlowRemover;
  readonly #timeouts: FlowTimeouts;
  /** CLOCK_MONOTONIC in ns. */
  readonly #clock: () => bigint;
  readonly #connections: ConnectionAudit;

  constructor(
    maps: FlowMaps,
    remover: FlowRemover,
    timeouts: FlowTimeouts,
    clock: () => bigint = () => process.hrtime.bigint(),
  ) {
    this.#maps = maps;
    this.#remover = remover;
    this.#timeouts = timeouts;
    this.#clock = clock;
    this.#connections = new ConnectionAudit(maps);
  }

  /** One walk over everything. What was retired before it began and is named by nothing that it met may be forgotten. */
  async sweep(
    backends: BackendTable,
    services: ServiceIds,
    balancedByLoad: Iterable<PairKey> = [],
  ): Promise<SweepResult> {
    const retiredBackends = [...backends.retired];
    const retiredServices = [...services.retired];
    const named = { backends: new Set<number>(), services: new Set<number>() };
    this.#connections.begin(balancedByLoad);
    const four = await this.#sweepFamily(
      { family: 4, rows: () => this.#maps.flows4(), find: (key) => this.#maps.getFlow4(key) },
      named,
    );
    const six = await this.#sweepFamily(
      { family: 6, rows: () => this.#maps.flows6(), find: (key) => this.#maps.getFlow6(key) },
      named,
    );
    for (const [, row] of this.#maps.sockets()) {
      note(named, row.backend, row.service);
      this.#connections.met(row);
    }
    for (const [, { backend, service }] of this.#maps.udpPeers()) note(named, backend, service);
    this.#connections.end();
    const unnamed = retiredBackends.filter(([id]) => !named.backends.has(id));
    this.#forgetAffinity(new Set(unnamed.map(([id]) => id)));
    backends.forget(unnamed);
    services.forget(retiredServices.filter(([id]) => !named.services.has(id)));
    return { live: four.live + six.live, removed: four.removed + six.removed, ...named };
  }

  async #sweepFamily({ family, rows, find }: Family, named: Named): Promise<{ live: number; removed: number }> {
    const ended: EndedFlow[] = [];
    let live = 0;
    let seen = 0;
    const keep = ({ flow }: AnyFlow): void => {
      live++;
      note(named, flow.backend, flow.service);
      if (!hasEnded(flow) && (flow.flags & FlowFlags.Reply) === 0) this.#connections.met(flow);
    };
    for (const [key, row] of rows()) {
      if (++seen % BATCH === 0) await nextTurn();
      const over = this.#isOver(key, row);
      const pair = over ? pairOf(key, row, find) : undefined;
      // A flow lives while either direction does: one row without the other would leak packets untranslated.
      if (!over || (pair !== undefined && !this.#isOver(key, pair))) keep(row);
      // Where there are two rows, the client's stands for both.
      else if (pair === undefined || (row.flow.flags & FlowFlags.Reply) === 0) ended.push({ key, row, pair });
    }
    let removed = 0;
    for (let at = 0; at < ended.length; at += BATCH) {
      const flows = ended.slice(at, at + BATCH);
      // Counts first: a flow must not vanish from both places.
      foldTraffic(this.#maps, flows.flatMap(rowsOf));
      const outcomes = this.#remover.remove(family, flows);
      const stayed = flows.filter((_, index) => outcomes[index] === false).flatMap(rowsOf);
      unfoldTraffic(this.#maps, stayed);
      stayed.forEach(keep);
      removed += flows.flatMap(rowsOf).length - stayed.length;
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

  /** Before an id means another backend. */
  #forgetAffinity(backends: ReadonlySet<number>): void {
    if (backends.size === 0) return;
    const keys: AffinityKey[] = [];
    for (const [key, { backend }] of this.#maps.affinity()) if (backends.has(backend)) keys.push(key);
    if (keys.length > 0) this.#maps.deleteAffinity(keys);
  }
}

/** Reset, or closed by both sides. */
function hasEnded({ state }: Flow): boolean {
  const both = FlowState.Fin | FlowState.PeerFin;
  return (state & FlowState.Rst) !== 0 || (state & both) === both;
}

/** None where the client's port has found another way meanwhile: the other row must lead back. */
function pairOf(key: AnyFlowKey, row: AnyFlow, find: Family['find']): AnyFlow | undefined {
  const pairKey = pairKeyOf(key, row);
  const pair = find(pairKey);
  if (pair === undefined) return undefined;
  const back = pairKeyOf(pairKey, pair);
  const leadsBack =
    back.saddr === key.saddr && back.daddr === key.daddr && back.sport === key.sport && back.dport === key.dport;
  return leadsBack ? pair : undefined;
}

function pairKeyOf({ proto }: AnyFlowKey, { saddr, daddr, flow }: AnyFlow): AnyFlowKey {
  return { saddr: daddr, daddr: saddr, sport: flow.dport, dport: flow.sport, proto };
}

function rowsOf({ row, pair }: EndedFlow): AnyFlow[] {
  return pair === undefined ? [row] : [row, pair];
}

function note(named: Named, backend: number, service: number): void {
  named.backends.add(backend);
  named.services.add(service);
}
