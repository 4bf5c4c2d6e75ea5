// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { Flow, Flow4, Flow4Key, Traffic } from '../../../src/abi/codecs.gen.ts';
import { FlowFlags, FlowState, Proto } from '../../../src/abi/enums.gen.ts';
import type { FlowMaps, Row } from '../../../src/datapath/lb-maps.ts';
import { BackendTable } from '../../../src/reconcile/backend-table.ts';
import { ServiceIds } from '../../../src/reconcile/service-ids.ts';
import { DEFAULT_TIMEOUTS, Sweeper } from '../../../src/reconcile/sweeper.ts';
import { FakeLbMaps } from '../../support/fake-lb-maps.ts';
import { address } from '../../support/records.ts';

const CLIENT = address('198.51.100.9');
const FRONTEND = address('10.96.0.1');
const BACKEND = address('10.1.0.1');

/** IPv4 flows in memory, and a clock that the test moves, in seconds. */
class Flows implements FlowMaps {
  readonly rows = new Map<string, Row<Flow4Key, Flow4>>();
  readonly traffic = new Map<string, Traffic>();
  seconds = 0;
  readonly sweeper = new Sweeper(this, DEFAULT_TIMEOUTS, () => BigInt(this.seconds) * 1_000_000_000n);
  readonly #lb = new FakeLbMaps();
  readonly backends = new BackendTable(this.#lb);
  readonly services = new ServiceIds(this.#lb);

  /** Both rows of a connection of client port n, last seen now. */
  add(n: number, proto: Proto, client: Partial<Flow>, backend: Partial<Flow> = client): void {
    const lastSeen = Number((BigInt(this.seconds) * 1_000_000_000n) >> 30n);
    const common = {
      packets: 2n,
      bytes: 100n,
      service: 1,
      backend: 1,
      lastSeen,
      generation: 0,
      ifindex: 0,
      mtu: 0,
      state: 0,
    };
    const nexthop = address('0.0.0.0');
    const to = { saddr: CLIENT, daddr: FRONTEND, sport: n, dport: 80, proto };
    const back = { saddr: BACKEND, daddr: CLIENT, sport: 8080, dport: n, proto };
    const forward = { ...common, sport: n, dport: 8080, flags: 0, ...client };
    const reply = { ...common, sport: 80, dport: n, flags: FlowFlags.Reply, ...backend };
    this.rows.set(name(to), [to, { flow: forward, saddr: CLIENT, daddr: BACKEND, nexthop }]);
    this.rows.set(name(back), [back, { flow: reply, saddr: FRONTEND, daddr: CLIENT, nexthop }]);
  }

  async sweepAt(seconds: number): Promise<number> {
    this.seconds = seconds;
    await this.sweeper.sweep(this.backends, this.services);
    return this.rows.size;
  }

  flows4 = () => [...this.rows.values()];
  flows6 = () => [];
  getFlow4 = (key: Flow4Key) => this.rows.get(name(key))?.[1];
  getFlow6 = () => undefined;
  deleteFlows4 = (keys: readonly Flow4Key[]): void => {
    for (const key of keys) this.rows.delete(name(key));
  };
  deleteFlows6 = () => undefined;
  sockets = () => [];
  udpPeers = () => [];
  getTraffic = (key: { service: number; backend: number }) => this.traffic.get(`${key.service} ${key.backend}`);
  putTraffic = (rows: readonly Row<{ service: number; backend: number }, Traffic>[]): void => {
    for (const [key, sum] of rows) this.traffic.set(`${key.service} ${key.backend}`, sum);
  };
}

function name(key: Flow4Key): string {
  return `${key.saddr} ${key.sport} ${key.daddr} ${key.dport} ${key.proto}`;
}

const { Syn, Ack, Fin, PeerFin, Rst } = FlowState;

describe('the sweeper', () => {
  test.each([
    ['a handshake that nobody finished', Proto.Tcp, { state: Syn }, DEFAULT_TIMEOUTS.tcpOpening],
    ['an idle connection', Proto.Tcp, { state: Syn | Ack }, DEFAULT_TIMEOUTS.tcpEstablished],
    ['a connection that one side has closed', Proto.Tcp, { state: Ack | Fin }, DEFAULT_TIMEOUTS.tcpCloseWait],
    ['a connection that both have closed', Proto.Tcp, { state: Ack | Fin | PeerFin }, DEFAULT_TIMEOUTS.tcpClosing],
    ['a connection that was reset', Proto.Tcp, { state: Ack | Rst }, DEFAULT_TIMEOUTS.tcpReset],
    ['a single datagram', Proto.Udp, { packets: 1n }, DEFAULT_TIMEOUTS.udp],
    ['a stream of datagrams', Proto.Udp, { packets: 5n }, DEFAULT_TIMEOUTS.udpStream],
  ] as const)('removes %s when its time is over, and not before', async (_, proto, flow, timeout) => {
    const flows = new Flows();
    flows.seconds = 1000;
    flows.add(4000, proto, flow);
    // The clock in the rows is coarse: 1.07 s.
    expect(await flows.sweepAt(1000 + timeout - 2)).toBe(2);
    expect(await flows.sweepAt(1000 + timeout + 3)).toBe(0);
  });

  test('keeps a row that is idle while the other direction is not', async () => {
    const flows = new Flows();
    flows.seconds = 1000;
    flows.add(4000, Proto.Udp, { packets: 5n });
    const forward = [...flows.rows.values()].find(([, { flow }]) => (flow.flags & FlowFlags.Reply) === 0);
    if (forward === undefined) throw new Error('there is a forward row');
    const [key, row] = forward;
    flows.rows.set(name(key), [key, { ...row, flow: { ...row.flow, lastSeen: row.flow.lastSeen + 200 } }]);
    expect(await flows.sweepAt(1000 + 200)).toBe(2);
    expect(await flows.sweepAt(1000 + 500)).toBe(0);
  });

  test('adds what an ended flow carried to its service and backend, each direction to its own', async () => {
    const flows = new Flows();
    flows.traffic.set('1 1', { inPackets: 1n, inBytes: 10n, outPackets: 0n, outBytes: 0n });
    flows.add(4000, Proto.Udp, { packets: 3n, bytes: 300n }, { packets: 2n, bytes: 2000n });
    flows.add(4001, Proto.Udp, { packets: 1n, bytes: 50n }, { packets: 1n, bytes: 60n });
    await flows.sweepAt(500);
    expect(flows.traffic.get('1 1')).toEqual({ inPackets: 5n, inBytes: 360n, outPackets: 3n, outBytes: 2060n });
  });

  test('lets a retired id be used again only when no flow names it', async () => {
    const flows = new Flows();
    const backend = { key: '10.1.0.1 8080/TCP', address: BACKEND, port: 8080, locality: 'local' } as const;
    const id = flows.backends.acquire(backend, 'TCP');
    flows.backends.release(id);
    flows.add(4000, Proto.Tcp, { state: Ack, backend: id });
    await flows.sweepAt(10);
    expect(flows.backends.retired.has(id)).toBe(true);
    flows.rows.clear();
    await flows.sweepAt(20);
    expect(flows.backends.retired.has(id)).toBe(false);
  });
});
