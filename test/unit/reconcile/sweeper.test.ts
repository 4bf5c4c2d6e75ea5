// SPDX-License-Identifier: Apache-2.0
// Flows in memory, and a clock that the test moves.

import { describe, expect, test } from 'vitest';
import type { Flow, Flow4, Flow4Key, Flow6, Flow6Key } from '../../../src/abi/codecs.gen.ts';
import { FlowFlags, FlowState, Proto } from '../../../src/abi/enums.gen.ts';
import type { Row } from '../../../src/datapath/lb-maps.ts';
import { UNSPECIFIED } from '../../../src/net/ip.ts';
import { BackendTable } from '../../../src/reconcile/backend-table.ts';
import { ServiceIds } from '../../../src/reconcile/service-ids.ts';
import type { SweepResult } from '../../../src/reconcile/sweeper.ts';
import { DEFAULT_TIMEOUTS, Sweeper } from '../../../src/reconcile/sweeper.ts';
import { FakeLbMaps, flowName, pairName } from '../../support/fake-lb-maps.ts';
import { address } from '../../support/records.ts';

const ADDRESSES = {
  4: { client: address('198.51.100.9'), frontend: address('10.96.0.1'), backend: address('10.1.0.1') },
  6: { client: address('2001:db8:c::9'), frontend: address('fd00::1'), backend: address('fd01::1') },
};
const BACKEND = {
  key: '10.1.0.1 8080/UDP',
  address: ADDRESSES[4].backend,
  port: 8080,
  locality: 'local',
  weight: 1,
} as const;
const SERVICE = { namespace: 'default', name: 'web', portName: 'http', proto: Proto.Tcp, family: 4 };
const { Syn, Ack, Fin, PeerFin, Rst } = FlowState;

class Flows {
  readonly maps = new FakeLbMaps();
  readonly kernel = this.maps.kernel;
  readonly backends = new BackendTable(this.maps);
  readonly services = new ServiceIds(this.maps);
  seconds = 1000;
  readonly #sweeper = new Sweeper(this.maps, this.maps, DEFAULT_TIMEOUTS, () => this.#now);
  readonly #family: 4 | 6;

  constructor(family: 4 | 6 = 4) {
    this.#family = family;
  }

  get #now(): bigint {
    return BigInt(this.seconds) * 1_000_000_000n;
  }

  get size(): number {
    return this.kernel.flows4.size + this.kernel.flows6.size;
  }

  /** Both rows of a connection of client port n, last seen now. */
  add(n: number, proto: Proto, client: Partial<Flow>, backend: Partial<Flow> = client): void {
    const at = ADDRESSES[this.#family];
    const to = { saddr: at.client, daddr: at.frontend, sport: n, dport: 80, proto };
    const back = { saddr: at.backend, daddr: at.client, sport: 8080, dport: n, proto };
    this.#put(to, at.client, at.backend, { sport: n, dport: 8080, flags: 0, ...client });
    this.#put(back, at.frontend, at.client, { sport: 80, dport: n, flags: FlowFlags.Reply, ...backend });
  }

  async sweepAt(seconds: number): Promise<SweepResult> {
    this.seconds = seconds;
    return this.#sweeper.sweep(this.backends, this.services);
  }

  #put(key: Flow4Key, saddr: Flow4['saddr'], daddr: Flow4['daddr'], flow: Partial<Flow>): void {
    const common = { packets: 2n, bytes: 100n, service: 1, backend: 1, generation: 0, ifindex: 0, mtu: 0, state: 0 };
    const lastSeen = Number(this.#now >> 30n);
    const row: Flow4 | Flow6 = {
      flow: { ...common, sport: 0, dport: 0, flags: 0, lastSeen, ...flow },
      saddr,
      daddr,
      nexthop: UNSPECIFIED[this.#family],
    };
    const rows: Map<string, Row<Flow4Key | Flow6Key, Flow4 | Flow6>> = this.kernel[`flows${this.#family}`];
    rows.set(flowName(key), [key, row]);
  }
}

describe.each([4, 6] as const)('the sweeper, for IPv%i', (family) => {
  test.each([
    ['a handshake that nobody finished', Proto.Tcp, { state: Syn }, DEFAULT_TIMEOUTS.tcpOpening],
    ['an idle connection', Proto.Tcp, { state: Syn | Ack }, DEFAULT_TIMEOUTS.tcpEstablished],
    ['a connection that one side has closed', Proto.Tcp, { state: Ack | Fin }, DEFAULT_TIMEOUTS.tcpCloseWait],
    ['a connection that the other has closed', Proto.Tcp, { state: Ack | PeerFin }, DEFAULT_TIMEOUTS.tcpCloseWait],
    ['a connection that both have closed', Proto.Tcp, { state: Ack | Fin | PeerFin }, DEFAULT_TIMEOUTS.tcpClosing],
    ['a connection that was reset', Proto.Tcp, { state: Ack | Rst }, DEFAULT_TIMEOUTS.tcpReset],
    ['a single datagram', Proto.Udp, { packets: 1n }, DEFAULT_TIMEOUTS.udp],
    ['a stream of datagrams', Proto.Udp, { packets: 5n }, DEFAULT_TIMEOUTS.udpStream],
  ] as const)('removes %s when its time is over, and not before', async (_, proto, flow, timeout) => {
    const flows = new Flows(family);
    flows.add(4000, proto, flow);
    // The clock in the rows is coarse: 1.07 s.
    expect(await flows.sweepAt(1000 + timeout - 2)).toMatchObject({ live: 2, removed: 0 });
    expect(await flows.sweepAt(1000 + timeout + 3)).toMatchObject({ live: 0, removed: 2 });
    expect(flows.size).toBe(0);
  });

  test.each(['client', 'backend'])('keeps both directions while packets come from the %s', async (from) => {
    const flows = new Flows(family);
    const idle = { packets: 5n };
    const busy = { packets: 5n, lastSeen: Number((1200n * 1_000_000_000n) >> 30n) };
    if (from === 'client') flows.add(4000, Proto.Udp, busy, idle);
    else flows.add(4000, Proto.Udp, idle, busy);
    expect(await flows.sweepAt(1300)).toMatchObject({ live: 2, removed: 0 });
    expect(await flows.sweepAt(1500)).toMatchObject({ live: 0, removed: 2 });
  });

  test('removes a row whose other one has gone', async () => {
    const flows = new Flows(family);
    flows.add(4000, Proto.Udp, {});
    const rows = flows.kernel[`flows${family}`];
    rows.delete([...rows.keys()][0] ?? '');
    expect(await flows.sweepAt(1500)).toMatchObject({ live: 0, removed: 1 });
  });

  test('removes a reply row whose client has found another way and goes on by that', async () => {
    const flows = new Flows(family);
    flows.add(4000, Proto.Udp, {});
    const rows: Map<string, Row<Flow4Key | Flow6Key, Flow4 | Flow6>> = flows.kernel[`flows${family}`];
    const [, [key, row] = []] = [...rows.values()];
    if (key === undefined || row === undefined) throw new Error('no reply row');
    const orphan = { ...key, dport: 50_000 };
    rows.set(flowName(orphan), [orphan, row]);
    flows.seconds = 1400;
    flows.add(4000, Proto.Udp, {});
    expect(await flows.sweepAt(1405)).toMatchObject({ live: 2, removed: 1 });
    expect(rows.has(flowName(orphan))).toBe(false);
  });

  test('keeps a flow that a packet reaches between the walk and the removal', async () => {
    const flows = new Flows(family);
    flows.add(4000, Proto.Udp, { backend: 7 });
    flows.add(4001, Proto.Udp, { backend: 8 });
    const walk = family === 4 ? flows.maps.flows4.bind(flows.maps) : flows.maps.flows6.bind(flows.maps);
    function* revive(): Generator<never> {
      yield* walk() as Iterable<never>;
      flows.add(4000, Proto.Udp, { backend: 7, packets: 9n });
    }
    flows.maps[`flows${family}`] = revive;
    const { live, removed, backends } = await flows.sweepAt(2000);
    expect({ live, removed, backends }).toEqual({ live: 2, removed: 2, backends: new Set([7]) });
    expect([...flows.kernel[`flows${family}`].values()].map(([, { flow }]) => flow.packets)).toEqual([9n, 9n]);
    const none = { inPackets: 0n, inBytes: 0n, outPackets: 0n, outBytes: 0n, lost: 0n };
    expect(flows.maps.getTraffic({ service: 1, backend: 7 }) ?? none).toEqual(none);
    expect(flows.maps.getTraffic({ service: 1, backend: 8 })).toMatchObject({ inPackets: 2n, outPackets: 2n });
  });
});

describe('the sweeper', () => {
  test('adds what an ended flow carried to its service and backend, each direction to its own', async () => {
    const flows = new Flows();
    const pair = { service: 1, backend: 1 };
    flows.maps.putTraffic([[pair, { inPackets: 1n, inBytes: 10n, outPackets: 0n, outBytes: 0n, lost: 0n }]]);
    flows.add(4000, Proto.Udp, { packets: 3n, bytes: 300n }, { packets: 2n, bytes: 2000n });
    flows.add(4001, Proto.Udp, { packets: 1n, bytes: 50n }, { packets: 1n, bytes: 60n });
    flows.add(4002, Proto.Udp, { service: 2 }, { service: 2 });
    await flows.sweepAt(1500);
    expect(flows.maps.getTraffic(pair)).toEqual({
      inPackets: 5n,
      inBytes: 360n,
      outPackets: 3n,
      outBytes: 2060n,
      lost: 0n,
    });
    expect([...flows.kernel.traffic.keys()]).toEqual([pairName(pair), '2 1']);
  });

  test('removes nothing whose counts it could not save', async () => {
    const flows = new Flows();
    flows.add(4000, Proto.Udp, {});
    flows.maps.fails = (operation) => operation === 'putTraffic';
    await expect(flows.sweepAt(1500)).rejects.toThrow('injected failure of putTraffic');
    expect(flows.size).toBe(2);
  });

  test('walks thousands of flows in turns, others in between', async () => {
    const flows = new Flows();
    for (let n = 0; n < 2000; n++) flows.add(n, Proto.Udp, {});
    let turns = 0;
    const others = setInterval(() => turns++, 0);
    expect(await flows.sweepAt(1500)).toMatchObject({ live: 0, removed: 4000 });
    clearInterval(others);
    expect(turns).toBeGreaterThan(0);
  });

  test('lets retired ids be used again only when no flow names them', async () => {
    const flows = new Flows();
    const backend = flows.backends.acquire(BACKEND, 'UDP');
    flows.backends.release(backend);
    const service = flows.services.acquire(SERVICE);
    flows.services.retire(service, SERVICE);
    flows.add(4000, Proto.Tcp, { state: Ack, backend, service });
    await flows.sweepAt(1010);
    expect([...flows.backends.retired.keys(), ...flows.services.retired.keys()]).toEqual([backend, service]);
    flows.kernel.flows4.clear();
    await flows.sweepAt(1020);
    expect(flows.backends.retired.size + flows.services.retired.size).toBe(0);
    expect(flows.kernel.backends.size).toBe(0);
  });

  test.each(['sockets', 'udpPeers'] as const)('keeps ids that %s name', async (source) => {
    const flows = new Flows();
    const backend = flows.backends.acquire(BACKEND, 'UDP');
    flows.backends.release(backend);
    const row = { addr: ADDRESSES[4].frontend, port: 80, proto: Proto.Udp, service: 1, backend };
    flows.kernel[source].push([{ cookie: 1n, addr: ADDRESSES[4].backend, port: 8080 }, row]);
    await flows.sweepAt(1010);
    expect(flows.backends.retired.has(backend)).toBe(true);
    flows.kernel[source].length = 0;
    await flows.sweepAt(1020);
    expect(flows.backends.retired.has(backend)).toBe(false);
  });

  test('does not forget an id that was in use again and retired again while it walked', async () => {
    const flows = new Flows();
    const leave = (): void => {
      flows.backends.release(flows.backends.acquire(BACKEND, 'UDP'));
      flows.services.retire(flows.services.acquire(SERVICE), SERVICE);
    };
    leave();
    flows.maps.sockets = () => {
      leave();
      return [];
    };
    await flows.sweepAt(1010);
    expect([flows.backends.retired.size, flows.services.retired.size]).toEqual([1, 1]);
    flows.maps.sockets = () => [];
    await flows.sweepAt(1020);
    expect([flows.backends.retired.size, flows.services.retired.size]).toEqual([0, 0]);
  });
});
