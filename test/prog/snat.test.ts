// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Flow } from '../../src/abi/codecs.gen.ts';
import { BackendFlags, FlowFlags, FlowState, Proto } from '../../src/abi/enums.gen.ts';
import type { PacketSpec } from '../support/packet.ts';
import { packet, parsePacket } from '../support/packet.ts';
import { CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import { UPLINK } from '../support/prog-network.ts';
import type { End, More, Transport } from '../support/prog-packets.ts';
import { answered, end, expectPacket, icmpError, quote, segment, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

describe.each(CASTS)('a backend of another node, IPv$family', (cast) => {
  const client = end(cast.client, 40_001);
  const frontend = end(cast.frontend, 80);
  const remote = end(cast.remote, 8080);
  const v6 = cast.family === 6;

  function given(proto: Transport, backend: End = remote, flags: number = BackendFlags.Remote): void {
    bench.service({
      proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp,
      frontends: [frontend],
      backends: [{ ...backend, flags }],
    });
  }

  const ingress = async (spec: PacketSpec, gsoSize = 0) => bench.run('tc_ingress', packet(spec), { gsoSize });

  /** Sends the first packet of a flow on its way; returns what it comes from. */
  async function opened(proto: Transport, from: End = client): Promise<End> {
    const { verdict, frame } = await ingress(transport(proto, from, frontend));
    expect(verdict).toBe('redirect');
    return end(cast.node, parsePacket(frame).sport);
  }

  const hop = { ip: { ttl: 63 } };

  describe.each(['tcp', 'udp'] as const)('%s', (proto) => {
    it('gets packets from an address and a port of this node, one router further', async () => {
      given(proto);
      const snat = await opened(proto);
      expect(snat.port).toBeGreaterThanOrEqual(49_152);
      expect(snat.port).toBeLessThanOrEqual(65_535);
      for (const size of [0, 1, 700]) {
        const l4 = { flags: 'PA', payload: Buffer.alloc(size, 0x5a) };
        expectPacket(
          await ingress(transport(proto, client, frontend, { l4 })),
          'redirect',
          transport(proto, snat, remote, { l4, ...hop }),
        );
      }
      const row = bench.flows().find(({ from }) => from === `${client.addr} ${client.port}`);
      expect(row).toMatchObject({
        flags: FlowFlags.Snat | FlowFlags.Forward,
        ifindex: UPLINK.ifindex,
        nexthop: cast.router,
        mtu: UPLINK.mtu,
        packets: 4n,
      });
      expect(Object.values(bench.opened())).toEqual([1n]);
      expect(bench.drops()).toEqual({});
    });

    it('is answered for by the frontend, one router further', async () => {
      given(proto);
      const snat = await opened(proto);
      for (const flags of ['SA', 'A', 'FA']) {
        expectPacket(
          await ingress(transport(proto, remote, snat, { l4: { flags } })),
          'redirect',
          transport(proto, frontend, client, { l4: { flags }, ...hop }),
        );
      }
    });

    const oddities: { title: string; more: More; only?: Transport }[] = [
      { title: 'IPv4 options', more: { ip: { options: 2 } } },
      { title: 'no checksum', more: { l4: { noChecksum: true } }, only: 'udp' },
      { title: 'no don’t-fragment bit', more: { ip: { df: false } } },
    ];
    const fitting = oddities.filter(({ only = proto }) => !v6 && only === proto);

    it.for(fitting)('gets packets with $title', async ({ more }) => {
      given(proto);
      const snat = await opened(proto);
      expectPacket(
        await ingress(transport(proto, client, frontend, more)),
        'redirect',
        transport(proto, snat, remote, { ...more, ip: { ...more.ip, ttl: 63 } }),
      );
      expectPacket(
        await ingress(transport(proto, remote, snat, more)),
        'redirect',
        transport(proto, frontend, client, { ...more, ip: { ...more.ip, ttl: 63 } }),
      );
    });

    it('keeps its source port when the row of the client has been evicted', async () => {
      given(proto);
      const snat = await opened(proto);
      const { flows4, flows6 } = bench.datapath.maps;
      for (const map of [flows4, flows6]) {
        for (const [key, { flow }] of [...map.entries()]) if ((flow.flags & FlowFlags.Reply) === 0) map.delete(key);
      }
      expect(await opened(proto)).toEqual(snat);
    });

    it('sees two clients of one port apart, and each gets its own replies', async () => {
      given(proto);
      const other = end(cast.otherClient, client.port);
      const first = await opened(proto);
      const second = await opened(proto, other);
      expect(second.port).not.toBe(first.port);
      expectPacket(await ingress(transport(proto, remote, first)), 'redirect', transport(proto, frontend, client, hop));
      expectPacket(await ingress(transport(proto, remote, second)), 'redirect', transport(proto, frontend, other, hop));
    });

    it('gets a packet with a TTL of 2, and none with a TTL of 1', async () => {
      given(proto);
      const snat = await opened(proto);
      expectPacket(
        await ingress(transport(proto, client, frontend, { ip: { ttl: 2 } })),
        'redirect',
        transport(proto, snat, remote, { ip: { ttl: 1 } }),
      );
      expect((await ingress(transport(proto, client, frontend, { ip: { ttl: 1 } }))).verdict).toBe('drop');
      expect((await ingress(transport(proto, remote, snat, { ip: { ttl: 1 } }))).verdict).toBe('drop');
      expect(bench.drops()).toMatchObject({ ttl_exceeded: { packets: 2n } });
    });

    it('gets a packet as large as the next link; a larger one is answered with the MTU of that link', async () => {
      given(proto);
      const snat = await opened(proto);
      const headers = (v6 ? 40 : 20) + (proto === 'tcp' ? 20 : 8);
      const sized = (bytes: number): More => ({ l4: { flags: 'A', payload: Buffer.alloc(bytes - headers, 0x11) } });
      expectPacket(
        await ingress(transport(proto, client, frontend, sized(UPLINK.mtu))),
        'redirect',
        transport(proto, snat, remote, { ...sized(UPLINK.mtu), ...hop }),
      );
      expect(bench.drops()).toEqual({});
      const large = transport(proto, client, frontend, sized(UPLINK.mtu + 1));
      const quoted = quote(large, proto === 'tcp' ? 20 : 8);
      expectPacket(
        await ingress(large),
        'redirect',
        answered(icmpError('too-big', frontend.addr, client.addr, quoted, { rest: UPLINK.mtu })),
      );
      expect(bench.drops()).toEqual({ too_big: { packets: 1n, bytes: BigInt(UPLINK.mtu + 1) } });
    });

    it.for(v6 ? [] : [1, 10])('whose link is too small is told so of a packet with %i words of options', async (n) => {
      given(proto);
      const more: More = { ip: { options: n }, l4: { flags: 'A', payload: Buffer.alloc(UPLINK.mtu, 0x11) } };
      const large = transport(proto, client, frontend, more);
      const quoted = quote(large, proto === 'tcp' ? 20 : 8);
      expectPacket(
        await ingress(large),
        'redirect',
        answered(icmpError('too-big', frontend.addr, client.addr, quoted, { rest: UPLINK.mtu })),
      );
    });

    it('gets a large packet that is cut into segments which fit', async () => {
      given(proto);
      const snat = await opened(proto);
      const more: More = { l4: { flags: 'A', payload: Buffer.alloc(3000, 0x22) } };
      expectPacket(
        await ingress(transport(proto, client, frontend, more), 1000),
        'redirect',
        transport(proto, snat, remote, { ...more, ...hop }),
      );
      expectPacket(
        await ingress(transport(proto, client, frontend, more), UPLINK.mtu),
        'redirect',
        answered(
          icmpError(
            'too-big',
            frontend.addr,
            client.addr,
            quote(transport(proto, client, frontend, more), proto === 'tcp' ? 20 : 8),
            { rest: UPLINK.mtu },
          ),
        ),
      );
    });
  });

  it('gets segments whose TCP options still fit the next link, and none where they do not', async () => {
    given('tcp');
    await opened('tcp');
    const more: More = { l4: { flags: 'A', options: 3, payload: Buffer.alloc(3000, 0x44) } };
    const room = UPLINK.mtu - (v6 ? 40 : 20) - 20 - 12;
    await ingress(transport('tcp', client, frontend, more), room);
    expect(bench.drops()).toEqual({});
    await ingress(transport('tcp', client, frontend, more), room + 1);
    expect(bench.drops()).toMatchObject({ too_big: { packets: 1n } });
  });

  it('is the reason to tell the sender of a packet too large even when its route is not known yet', async () => {
    given('udp');
    const l4 = { payload: Buffer.alloc(UPLINK.mtu, 0x33) };
    const large = transport('udp', client, frontend, { l4 });
    const error = icmpError('too-big', frontend.addr, client.addr, quote(large, 8), { rest: UPLINK.mtu });
    expectPacket(await ingress(large), 'redirect', answered(error));
    bench.datapath.host.generation = 2;
    expectPacket(await ingress(large), 'redirect', answered(error));
    expect(bench.drops()).toMatchObject({ too_big: { packets: 2n } });
  });

  it('is reached by the route of the day once the generation is raised, not before', async () => {
    given('tcp');
    const snat = await opened('tcp');
    await bench.namespace.ip(`route replace unreachable ${cast.remote}`);
    try {
      const out = segment('A', snat, remote, hop);
      expectPacket(await ingress(segment('A', client, frontend)), 'redirect', out);
      bench.datapath.host.generation = 2;
      expect((await ingress(segment('A', client, frontend))).verdict).toBe('drop');
      expect(bench.drops()).toMatchObject({ no_route: { packets: 1n } });
    } finally {
      await bench.namespace.ip(`route del unreachable ${cast.remote}`);
    }
    expectPacket(await ingress(segment('A', client, frontend)), 'redirect', segment('A', snat, remote, hop));
  });

  it('is known as such by a route through a router when the plan does not know', async () => {
    given('tcp', remote, 0);
    const snat = await opened('tcp');
    expect(snat.port).toBeGreaterThanOrEqual(49_152);
  });

  it('is left to the stack, with the client as source, where no route leads out by an uplink or router', async () => {
    given('tcp', end(cast.behindBare, 8080), 0);
    expectPacket(
      await ingress(segment('S', client, frontend)),
      'pass',
      segment('S', client, end(cast.behindBare, 8080)),
    );
  });

  it('is left to the stack when no route is known at all: the stack tells the client', async () => {
    given('tcp', end(cast.nowhere, 8080));
    expectPacket(await ingress(segment('S', client, frontend)), 'pass', segment('S', client, end(cast.nowhere, 8080)));
  });
});

describe.each(CASTS)('few source ports, IPv$family', (cast) => {
  const frontend = end(cast.frontend, 80);
  /** Enough that clients do not each hit a free one at once. */
  const PORTS = 6;
  let few: ProgBench;

  beforeAll(async () => {
    few = await ProgBench.open({ settings: { snatPortMin: 60_000, snatPortCount: PORTS } });
  });
  afterAll(() => few[Symbol.asyncDispose]());
  beforeEach(() => {
    few.reset();
  });

  it.each([
    ['was reset', FlowState.Rst, FlowState.Rst, true],
    ['both sides have closed', FlowState.Fin | FlowState.PeerFin, FlowState.Fin | FlowState.PeerFin, true],
    ['one side has closed', FlowState.Fin, FlowState.PeerFin, false],
    ['lives', 0, 0, false],
  ] as const)('may be those of a connection that %s, when no other is left', async (_, client, reply, isFree) => {
    const service = few.service({
      frontends: [frontend],
      backends: [{ addr: cast.remote, port: 8080, flags: BackendFlags.Remote }],
    });
    const open = (port: number) => few.run('tc_ingress', packet(segment('S', end(cast.client, port), frontend)));
    for (let port = 1000; port < 1000 + PORTS; port++) await open(port);
    const old = few.flows().find(({ flags }) => (flags & FlowFlags.Reply) === 0);
    const oldPort = Number(old?.from.split(' ')[1]);
    const sport = Number(old?.becomesFrom.split(' ')[1]);
    const isReply = ({ flags }: Flow): boolean => (flags & FlowFlags.Reply) !== 0;
    const isOld = (flow: Flow): boolean => (isReply(flow) ? flow.dport === oldPort : flow.sport === sport);
    const ended = (flow: Flow): number => flow.state | (isReply(flow) ? reply : client);
    few.patchFlows((flow) => (isOld(flow) ? { state: ended(flow), packets: 7n } : {}));
    expect((await open(2000)).verdict).toBe('drop');
    few.patchFlows((flow) => (isOld(flow) ? { lastSeen: flow.lastSeen - 4 } : {}));

    const { verdict, frame } = await open(2000);
    expect({ verdict, sport: verdict === 'redirect' && parsePacket(frame).sport }).toEqual(
      isFree ? { verdict: 'redirect', sport } : { verdict: 'drop', sport: false },
    );
    expect(few.flows()).toHaveLength(2 * PORTS);
    if (!isFree) return;
    const answer = await few.run('tc_ingress', packet(segment('SA', end(cast.remote, 8080), end(cast.node, sport))));
    expect(parsePacket(answer.frame)).toMatchObject({ src: cast.frontend, dst: cast.client, dport: 2000 });
    // What the old one has carried is not lost.
    const total = few.flows().reduce((sum, { packets }) => sum + packets, 0n);
    expect({ total, opened: few.opened()[service.backends[0] ?? 0] }).toEqual({ total: 21n, opened: 7n });
    expect((await open(oldPort)).verdict).toBe('drop');
  });

  it.each(['tcp', 'udp'] as const)('are tried one after the other by %s, until none is left', async (proto) => {
    const service = few.service({
      proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp,
      frontends: [frontend],
      backends: [{ addr: cast.remote, port: 8080, flags: BackendFlags.Remote }],
    });
    const open = (port: number) => few.run('tc_ingress', packet(transport(proto, end(cast.client, port), frontend)));
    const taken: number[] = [];
    for (let port = 1000; port < 1000 + PORTS; port++) {
      const { verdict, frame } = await open(port);
      expect(verdict).toBe('redirect');
      taken.push(parsePacket(frame).sport);
    }
    expect(taken.sort()).toEqual(Array.from({ length: PORTS }, (_, i) => 60_000 + i));
    expect((await open(2000)).verdict).toBe('drop');
    expect(few.drops()).toMatchObject({ snat_exhausted: { packets: 1n } });
    expect(few.flows()).toHaveLength(2 * PORTS);

    // Another backend is another destination: every port is free towards it.
    service.point([
      few.backend(
        { addr: cast.otherRemote, port: 8080, flags: BackendFlags.Remote },
        proto === 'tcp' ? Proto.Tcp : Proto.Udp,
      ),
    ]);
    expect((await open(2000)).verdict).toBe('redirect');
  });
});
