// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, FlowFlags, FlowState, Proto } from '../../src/abi/enums.gen.ts';
import type { PacketSpec } from '../support/packet.ts';
import { packet, parsePacket } from '../support/packet.ts';
import { addressOf, CASTS } from '../support/prog-addresses.ts';
import type { BenchService, FlowRow } from '../support/prog-bench.ts';
import { ProgBench } from '../support/prog-bench.ts';
import type { End, Transport } from '../support/prog-packets.ts';
import { end, expectPacket, segment, text, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

function given(proto: Transport, frontends: End | End[], ...backends: End[]): BenchService {
  return bench.service({
    proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp,
    frontends: [frontends].flat(),
    backends: backends.map((backend) => ({ ...backend, flags: BackendFlags.Local })),
  });
}

const ingress = async (spec: PacketSpec) => bench.run('tc_ingress', packet(spec));
const egress = async (spec: PacketSpec) => bench.run('tc_egress', packet(spec));

function row(from: End): FlowRow {
  const found = bench.flows().find((flow) => flow.from === `${from.addr} ${from.port}`);
  if (found === undefined) throw new Error(`no flow from ${from.addr} ${from.port}`);
  return found;
}

describe.each(CASTS)('a Service that is no more, IPv$family', (cast) => {
  it('gets hold of nothing that a client port sends after its connection has ended', async () => {
    const [client, frontend] = [end(cast.client, 40_001), end(cast.frontend, 80)];
    given('tcp', frontend, end(cast.local, 8080));
    await ingress(segment('S', client, frontend));
    await ingress(segment('R', client, frontend));
    bench.forgetFrontends();
    for (const flags of ['S', 'A']) {
      const spec = segment(flags, client, frontend);
      expectPacket(await ingress(spec), 'pass', spec);
    }
  });
});

describe.each(CASTS)('a backend of this node, IPv$family', (cast) => {
  const client = end(cast.client, 40_001);
  const frontend = end(cast.frontend, 80);
  const local = end(cast.local, 8080);
  const other = end(cast.otherLocal, 8081);

  interface Row {
    readonly title: string;
    readonly backend?: End;
    readonly more?: Parameters<typeof transport>[3];
    readonly protocols?: readonly Transport[];
    readonly families?: readonly number[];
  }

  const rows: readonly Row[] = [
    { title: 'a packet' },
    { title: 'a packet of the smallest TTL', more: { ip: { ttl: 1 } } },
    { title: 'a packet that may be fragmented', more: { ip: { df: false } }, families: [4] },
    { title: 'a packet with IPv4 options', more: { ip: { options: 3 } }, families: [4] },
    { title: 'a packet with the longest IPv4 header', more: { ip: { options: 10 } }, families: [4] },
    { title: 'a segment with TCP options', more: { l4: { options: 5 } }, protocols: ['tcp'] },
    { title: 'a payload of odd length', more: { l4: { payload: Buffer.alloc(1001, 0xa5) } } },
    { title: 'a packet to a backend on the same port', backend: end(cast.local, 80) },
    {
      title: 'a datagram without checksum, which stays without',
      more: { l4: { noChecksum: true } },
      protocols: ['udp'],
      families: [4],
    },
  ];

  describe.each(['tcp', 'udp'] as const)('%s', (proto) => {
    const fitting = rows.filter(
      ({ protocols = [proto], families = [cast.family] }) =>
        protocols.includes(proto) && families.includes(cast.family),
    );

    it.each(fitting)('gets $title with the client as its source, and its reply shows the frontend', async (of) => {
      const { more, backend = local } = of;
      const service = given(proto, frontend, backend);
      const [id = 0] = service.backends;
      expectPacket(
        await ingress(transport(proto, client, frontend, more)),
        'pass',
        transport(proto, client, backend, more),
      );
      expectPacket(
        await egress(transport(proto, backend, client, more)),
        'pass',
        transport(proto, frontend, client, more),
      );
      expect(bench.opened()).toEqual({ [id]: 1n });
      expect(bench.drops()).toEqual({});
    });

    it('is counted in the flow: packets and bytes from the IP header on, the connection once', async () => {
      const service = given(proto, frontend, local);
      const packets = [0, 1, 10].map((size) =>
        transport(proto, client, frontend, { l4: { flags: 'A', payload: Buffer.alloc(size) } }),
      );
      for (const spec of packets) await ingress(spec);
      const reply = transport(proto, local, client, { l4: { flags: 'A', payload: Buffer.alloc(7) } });
      await egress(reply);
      await egress(reply);

      const bytes = (specs: PacketSpec[]): bigint =>
        BigInt(specs.reduce((sum, spec) => sum + packet(spec).length - 14, 0));
      expect(row(client)).toMatchObject({
        packets: 3n,
        bytes: bytes(packets),
        service: service.id,
        backend: service.backends[0],
        flags: 0,
      });
      expect(row(local)).toMatchObject({
        packets: 2n,
        bytes: bytes([reply, reply]),
        service: service.id,
        backend: service.backends[0],
        flags: FlowFlags.Reply,
      });
      expect(bench.opened()).toEqual({ [service.backends[0] ?? 0]: 1n });
    });

    it.each(['client', 'backend'] as const)(
      'has the row of the %s made anew when the LRU took it alone',
      async (lost) => {
        const later = { l4: { flags: 'A' } };
        const service = given(proto, frontend, local);
        await ingress(transport(proto, client, frontend));
        await egress(transport(proto, local, client, later));
        service.point('reject');
        bench.evict(lost === 'client' ? client : local);
        bench.age();
        if (lost === 'backend') await ingress(transport(proto, client, frontend, later));
        else await egress(transport(proto, local, client, later));
        expectPacket(
          await egress(transport(proto, local, client, later)),
          'pass',
          transport(proto, frontend, client, later),
        );
        expectPacket(
          await ingress(transport(proto, client, frontend, later)),
          'pass',
          transport(proto, client, local, later),
        );
        expect(bench.opened()).toEqual({ [service.backends[0] ?? 0]: 1n });
      },
    );

    it('keeps its flow when the set is flipped, and when the frontend goes; a new flow takes the new set', async () => {
      const service = given(proto, frontend, local);
      const later = { l4: { flags: 'A' } };
      await ingress(transport(proto, client, frontend));
      service.point([bench.backend({ ...other, flags: BackendFlags.Local }, proto === 'tcp' ? Proto.Tcp : Proto.Udp)]);
      const sticks = transport(proto, client, local, later);
      expectPacket(await ingress(transport(proto, client, frontend, later)), 'pass', sticks);
      const second = end(cast.client, 40_002);
      expectPacket(await ingress(transport(proto, second, frontend)), 'pass', transport(proto, second, other));

      bench.datapath.lb.deleteFrontends([
        { addr: addressOf(cast.frontend), port: 80, proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp },
      ]);
      expectPacket(await ingress(transport(proto, client, frontend, later)), 'pass', sticks);
    });

    it('answers a NodePort on addresses of the node that have it, and on no other', async () => {
      const nodePort = end(cast.node, 30_080);
      given(proto, end(cast.anyNode, 30_080), local);
      const toNode = packet(transport(proto, client, nodePort));
      const before = await bench.run('tc_ingress', toNode);
      expect({ ...before, frame: text(before.frame) }).toEqual({ verdict: 'pass', frame: text(toNode) });

      bench.datapath.host.setNodeAddresses([addressOf(cast.node)]);
      expectPacket(await bench.run('tc_ingress', toNode), 'pass', transport(proto, client, local));
      expectPacket(await egress(transport(proto, local, client)), 'pass', transport(proto, nodePort, client));
      const elsewhere = transport(proto, client, end(cast.stranger, 30_080));
      expectPacket(await ingress(elsewhere), 'pass', elsewhere);
    });

    it('is the same one for a client whichever address of the node it asks', async () => {
      const addresses = [cast.node, cast.stranger];
      given(proto, end(cast.anyNode, 30_080), local, other);
      bench.datapath.host.setNodeAddresses(addresses.map(addressOf));
      const chosen = async (addr: string): Promise<string[]> => {
        const ports = Array.from({ length: 100 }, (_, i) => 2000 + i);
        const frames = ports.map((port) => packet(transport(proto, end(cast.client, port), end(addr, 30_080))));
        return (await bench.runMany('tc_ingress', frames)).map(({ frame }) => parsePacket(frame).dst);
      };
      const [first, second] = [await chosen(cast.node), await chosen(cast.stranger)];
      expect(second).toEqual(first);
      expect(new Set(first)).toEqual(new Set([local.addr, other.addr]));
    });

    it('gives a client port that talks to it through a second frontend a port of its own', async () => {
      const second = end(cast.otherFrontend, 80);
      given(proto, [frontend, second], local);
      await ingress(transport(proto, client, frontend));
      const { frame } = await ingress(transport(proto, client, second));
      const sport = Buffer.from(frame).readUInt16BE(cast.family === 4 ? 34 : 54);
      expect(sport).toBeGreaterThanOrEqual(49_152);
      const changed = end(cast.client, sport);
      expect(text(frame)).toBe(text(packet(transport(proto, changed, local))));

      expectPacket(await egress(transport(proto, local, changed)), 'pass', transport(proto, second, client));
      expectPacket(await egress(transport(proto, local, client)), 'pass', transport(proto, frontend, client));
    });

    it('gives a client port that talks to it directly, too, a port of its own for that', async () => {
      given(proto, frontend, local);
      await ingress(transport(proto, client, frontend));
      const { verdict, frame } = await ingress(transport(proto, client, local));
      const sport = Buffer.from(frame).readUInt16BE(cast.family === 4 ? 34 : 54);
      expect({ verdict, isOther: sport >= 49_152 }).toEqual({ verdict: 'pass', isOther: true });
      const changed = end(cast.client, sport);
      expect(text(frame)).toBe(text(packet(transport(proto, changed, local))));

      const later = { l4: { flags: 'A' } };
      expectPacket(
        await ingress(transport(proto, client, local, later)),
        'pass',
        transport(proto, changed, local, later),
      );
      expectPacket(await egress(transport(proto, local, changed)), 'pass', transport(proto, local, client));
      expectPacket(await egress(transport(proto, local, client)), 'pass', transport(proto, frontend, client));
    });

    it('leads that port of its own on after the flow through the frontend has been swept', async () => {
      given(proto, frontend, local);
      await ingress(transport(proto, client, frontend));
      const first = text((await ingress(transport(proto, client, local))).frame);
      bench.patchFlows(({ state }) => ({ state: state | FlowState.Rst }));
      bench.evict(end(cast.local, 8080), client);
      expect(text((await ingress(transport(proto, client, local))).frame)).toBe(first);
      const ack = { l4: { flags: 'A' } };
      const sport = Buffer.from(first, 'hex').readUInt16BE(cast.family === 4 ? 34 : 54);
      expectPacket(
        await ingress(transport(proto, client, local, ack)),
        'pass',
        transport(proto, end(cast.client, sport), local, ack),
      );
    });

    it('finds its flow again when the row of the client has been evicted', async () => {
      given(proto, frontend, local);
      await ingress(transport(proto, client, frontend));
      const { flows4, flows6 } = bench.datapath.maps;
      for (const map of [flows4, flows6]) {
        for (const [key, { flow }] of [...map.entries()]) if ((flow.flags & FlowFlags.Reply) === 0) map.delete(key);
      }
      expect(bench.flows()).toHaveLength(1);
      const later = { l4: { flags: 'A' } };
      expectPacket(
        await ingress(transport(proto, client, frontend, later)),
        'pass',
        transport(proto, client, local, later),
      );
      expect(bench.flows()).toHaveLength(2);
    });
  });

  describe('tcp', () => {
    const toOther = (service: BenchService): void => {
      service.point([bench.backend({ ...other, flags: BackendFlags.Local }, Proto.Tcp)]);
    };

    it.each([
      { who: 'the client', ends: 'FIN', packet: segment('FA', client, frontend), door: 'tc_ingress' },
      { who: 'the client', ends: 'RST', packet: segment('R', client, frontend), door: 'tc_ingress' },
      { who: 'the backend', ends: 'FIN', packet: segment('FA', local, client), door: 'tc_egress' },
      { who: 'the backend', ends: 'RST', packet: segment('RA', local, client), door: 'tc_egress' },
    ] as const)('starts anew with a SYN after $ends of $who, and not with another segment', async (of) => {
      const service = given('tcp', frontend, local);
      await ingress(segment('S', client, frontend));
      await bench.run(of.door, packet(of.packet));
      toOther(service);
      expectPacket(await ingress(segment('A', client, frontend)), 'pass', segment('A', client, local));
      expectPacket(await ingress(segment('S', client, frontend)), 'pass', segment('S', client, other));
      expectPacket(await ingress(segment('A', client, frontend)), 'pass', segment('A', client, other));
      expectPacket(await egress(segment('SA', other, client)), 'pass', segment('SA', frontend, client));
      expect(Object.values(bench.opened())).toEqual([1n, 1n]);
    });

    it('counts a second connection of the same client port when the set has not changed', async () => {
      const service = given('tcp', frontend, local);
      await ingress(segment('S', client, frontend));
      await ingress(segment('FA', client, frontend));
      expectPacket(await ingress(segment('S', client, frontend)), 'pass', segment('S', client, local));
      expect(bench.opened()).toEqual({ [service.backends[0] ?? 0]: 2n });
      expect(row(client).state).toBe(FlowState.Syn);
      expect(row(local).state).toBe(0);
    });

    it('shows in each row of a flow which side has ended it', async () => {
      given('tcp', frontend, local);
      await ingress(segment('S', client, frontend));
      await egress(segment('SA', local, client));
      await ingress(segment('FA', client, frontend));
      expect(row(client).state).toBe(FlowState.Syn | FlowState.Ack | FlowState.Fin);
      expect(row(local).state).toBe(FlowState.Syn | FlowState.Ack | FlowState.PeerFin);
      await egress(segment('R', local, client));
      expect(row(client).state & FlowState.Rst).toBe(FlowState.Rst);
      expect(row(local).state & FlowState.Rst).toBe(FlowState.Rst);
    });

    it('gets a SYN that is sent again, whatever the set says meanwhile', async () => {
      const service = given('tcp', frontend, local);
      await ingress(segment('S', client, frontend));
      toOther(service);
      expectPacket(await ingress(segment('S', client, frontend)), 'pass', segment('S', client, local));
    });

    it.each(['retired', 'freed'])('loses a SYN, not an ACK, to another when it is %s', async (state) => {
      const service = given('tcp', frontend, local);
      const [id = 0] = service.backends;
      await ingress(segment('S', client, frontend));
      toOther(service);
      if (state === 'freed') bench.datapath.lb.clearBackend(id);
      else {
        const present = bench.datapath.lb.readBackend(id);
        bench.datapath.lb.writeBackend(id, { ...present, flags: present.flags | BackendFlags.Retired });
      }
      expectPacket(await ingress(segment('A', client, frontend)), 'pass', segment('A', client, local));
      expectPacket(await ingress(segment('S', client, frontend)), 'pass', segment('S', client, other));
    });
  });

  it('gets a datagram whose checksum comes out as zero with the checksum 0xffff', async () => {
    given('udp', frontend, local);
    const at = cast.family === 4 ? 40 : 60;
    const word = (n: number) => ({ l4: { payload: Buffer.from([n >> 8, n & 255]) } });
    const sums = (n: number): number => Buffer.from(packet(transport('udp', client, local, word(n)))).readUInt16BE(at);
    let n = 0;
    while (sums(n) !== 0xffff) n++;
    expectPacket(
      await ingress(transport('udp', client, frontend, word(n))),
      'pass',
      transport('udp', client, local, word(n)),
    );
  });
});
