// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendFlags } from '../../src/abi/enums.gen.ts';
import type { PacketSpec } from '../support/packet.ts';
import { ethernet, ipPacket, packet } from '../support/packet.ts';
import type { Cast } from '../support/prog-addresses.ts';
import { CASTS } from '../support/prog-addresses.ts';
import type { Door } from '../support/prog-bench.ts';
import { ProgBench } from '../support/prog-bench.ts';
import { end, icmpError, quote, segment, text, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

const port = 40_001;

/** With a flow that packets could be taken for. */
beforeAll(async () => {
  bench = await ProgBench.open();
  for (const cast of CASTS) {
    bench.service({
      frontends: [{ addr: cast.frontend, port: 80 }],
      backends: [{ addr: cast.local, port: 8080, flags: BackendFlags.Local }],
    });
    bench.service({
      frontends: [{ addr: cast.otherFrontend, port: 80 }],
      backends: [{ addr: cast.remote, port: 8080, flags: BackendFlags.Remote }],
    });
    const from = end(cast.client, port);
    await bench.run('tc_ingress', packet(segment('S', from, end(cast.frontend, 80))));
    await bench.run('tc_ingress', packet(segment('S', from, end(cast.otherFrontend, 80))));
  }
  expect(bench.flows()).toHaveLength(8);
});
afterAll(() => bench[Symbol.asyncDispose]());

async function expectUntouched(door: Door, frame: Uint8Array): Promise<void> {
  const flows = bench.flows();
  const outcome = await bench.run(door, frame);
  expect({ verdict: outcome.verdict, frame: text(outcome.frame) }).toEqual({ verdict: 'pass', frame: text(frame) });
  expect(bench.flows()).toEqual(flows);
  expect(bench.drops()).toEqual({});
}

interface Row {
  readonly title: string;
  readonly families?: readonly number[];
  readonly frame: (cast: Cast) => Uint8Array;
}

const syn = (cast: Cast): PacketSpec => segment('S', end(cast.client, port), end(cast.frontend, 80));
const raw = (cast: Cast, number: number, payload: Uint8Array, more: Partial<PacketSpec> = {}): Uint8Array =>
  packet({ src: cast.client, dst: cast.frontend, ...more, l4: { proto: 'raw', number, payload } });
const header = (cast: Cast): number => (cast.family === 4 ? 20 : 40);
const tcpBytes = (cast: Cast): Uint8Array => ipPacket(syn(cast)).subarray(header(cast));
const cut = (cast: Cast, spec: PacketSpec, bytes: number): Uint8Array =>
  packet(spec).subarray(0, 14 + header(cast) + bytes);
/** An IPv6 extension header of 8 bytes that is followed by TCP. */
const extension = (cast: Cast, number: number): Uint8Array =>
  raw(cast, number, Buffer.concat([Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0), tcpBytes(cast)]));
const anError = (cast: Cast, quoted: Uint8Array): PacketSpec =>
  icmpError('port-unreachable', cast.client, cast.frontend, quoted);
const reply = (cast: Cast): PacketSpec => segment('SA', end(cast.frontend, 80), end(cast.client, port));

const ROWS: readonly Row[] = [
  {
    title: 'a segment to an address of no Service',
    frame: (cast) => packet(segment('S', end(cast.client, port), end(cast.stranger, 80))),
  },
  {
    title: 'a segment to a port that the frontend does not have',
    frame: (cast) => packet(segment('S', end(cast.client, port), end(cast.frontend, 81))),
  },
  {
    title: 'a datagram to a TCP frontend',
    frame: (cast) => packet(transport('udp', end(cast.client, port), end(cast.frontend, 80))),
  },
  {
    title: 'ARP',
    families: [4],
    frame: () => ethernet(0x0806, Buffer.from(`0001080006040001${'00'.repeat(20)}`, 'hex')),
  },
  { title: 'LLDP', families: [4], frame: () => ethernet(0x88cc, Buffer.alloc(46, 2)) },
  {
    title: 'a frame with a VLAN tag',
    frame: (cast) => ethernet(0x8100, Buffer.concat([Uint8Array.of(0, 5), packet(syn(cast)).subarray(12)])),
  },
  { title: 'SCTP', frame: (cast) => raw(cast, 132, tcpBytes(cast)) },
  { title: 'GRE', frame: (cast) => raw(cast, 47, tcpBytes(cast)) },
  { title: 'ESP', frame: (cast) => raw(cast, 50, tcpBytes(cast)) },
  {
    title: 'an echo request to a frontend',
    frame: (cast) =>
      packet({
        src: cast.client,
        dst: cast.frontend,
        l4: { proto: 'icmp', type: cast.family === 4 ? 8 : 128, code: 0, rest: 0x10001, payload: Buffer.alloc(56) },
      }),
  },
  {
    title: 'the first fragment of a segment',
    families: [4],
    frame: (cast) => packet({ ...syn(cast), fragment: { offset: 0, more: true } }),
  },
  {
    title: 'the last fragment of a segment',
    families: [4],
    frame: (cast) => raw(cast, 6, tcpBytes(cast), { fragment: { offset: 185, more: false } }),
  },
  { title: 'the first fragment, IPv6', families: [6], frame: (cast) => fragment6(cast, 1) },
  { title: 'the last fragment, IPv6', families: [6], frame: (cast) => fragment6(cast, 185 << 3) },
  { title: 'a hop-by-hop header', families: [6], frame: (cast) => extension(cast, 0) },
  { title: 'a routing header', families: [6], frame: (cast) => extension(cast, 43) },
  { title: 'destination options', families: [6], frame: (cast) => extension(cast, 60) },
  { title: 'no next header', families: [6], frame: (cast) => raw(cast, 59, new Uint8Array()) },
  {
    title: 'a neighbour solicitation',
    families: [6],
    frame: (cast) =>
      packet({
        src: cast.client,
        dst: cast.frontend,
        l4: { proto: 'icmp', type: 135, code: 0, payload: Buffer.alloc(24) },
      }),
  },
  // The kernel refuses to test-run a packet whose IP header is cut.
  { title: 'a TCP header cut short', frame: (cast) => cut(cast, syn(cast), 19) },
  { title: 'no TCP header at all', frame: (cast) => cut(cast, syn(cast), 0) },
  {
    title: 'a UDP header cut short',
    frame: (cast) => cut(cast, transport('udp', end(cast.client, port), end(cast.frontend, 80)), 7),
  },
  {
    title: 'an IPv4 header that says it is shorter than it can be',
    families: [4],
    frame: (cast) => {
      const frame = Buffer.from(packet(syn(cast)));
      frame.writeUInt8(0x44, 14);
      return frame;
    },
  },
  {
    title: 'an IPv4 header with options that reach beyond the packet',
    families: [4],
    frame: (cast) => {
      const frame = Buffer.from(packet(syn(cast)));
      frame.writeUInt8(0x4f, 14);
      return frame;
    },
  },
  { title: 'an ICMP header cut short', frame: (cast) => cut(cast, anError(cast, new Uint8Array()), 7) },
  { title: 'an ICMP error without a quote', frame: (cast) => packet(anError(cast, new Uint8Array())) },
  {
    title: 'an ICMP error with half a header quoted',
    frame: (cast) => packet(anError(cast, quote(reply(cast)).subarray(0, 12))),
  },
  {
    title: 'an ICMP error whose quote ends before the ports do',
    frame: (cast) => packet(anError(cast, quote(reply(cast), 3))),
  },
  {
    title: 'an ICMP error that quotes a later fragment',
    families: [4],
    frame: (cast) => packet(anError(cast, quote({ ...reply(cast), fragment: { offset: 185, more: false } }))),
  },
  {
    title: 'an ICMP error about a packet of no flow',
    frame: (cast) => packet(anError(cast, quote(segment('A', end(cast.frontend, 80), end(cast.client, 9))))),
  },
  {
    title: 'an ICMP error that quotes ICMP',
    frame: (cast) => packet(anError(cast, ipPacket(anError(cast, quote(reply(cast)))))),
  },
  {
    title: 'an ICMP message that is no error, though it quotes a packet of a flow',
    frame: (cast) =>
      packet({
        src: cast.router,
        dst: cast.frontend,
        l4: { proto: 'icmp', type: cast.family === 4 ? 5 : 137, code: 1, payload: quote(reply(cast)) },
      }),
  },
];

function fragment6(cast: Cast, offsetAndMore: number): Uint8Array {
  const fragment = Uint8Array.of(6, 0, offsetAndMore >> 8, offsetAndMore & 255, 0, 0, 0, 9);
  return raw(cast, 44, Buffer.concat([fragment, tcpBytes(cast)]));
}

describe.each(CASTS)('what is left untouched, IPv$family', (cast) => {
  const rows = ROWS.filter(({ families = [cast.family] }) => families.includes(cast.family));

  it.each(rows)('$title passes both doors byte for byte', async ({ frame }) => {
    await expectUntouched('tc_ingress', frame(cast));
    await expectUntouched('tc_egress', frame(cast));
  });

  const egressOnly: readonly Row[] = [
    { title: 'a packet from this node to a frontend', frame: (of) => packet(syn(of)) },
    {
      title: 'a reply that is translated where it enters',
      frame: (of) => {
        const found = bench.flows().find(({ from }) => from === `${of.remote} 8080`);
        if (found === undefined) throw new Error('the flow to the remote backend is missing');
        const [to = '', toPort = ''] = found.to.split(' ');
        return packet(segment('SA', end(of.remote, 8080), end(to, Number(toPort))));
      },
    },
    {
      title: 'an ICMP error about a packet that its client sent',
      frame: (of) =>
        packet(
          icmpError(
            'time-exceeded',
            of.node,
            of.frontend,
            quote(segment('SA', end(of.frontend, 80), end(of.client, port))),
          ),
        ),
    },
    {
      title: 'a reply on the way from another port of the backend',
      frame: (of) => packet(segment('SA', end(of.local, 8081), end(of.client, port))),
    },
  ];

  it.each(egressOnly)('$title leaves byte for byte', async ({ frame }) => {
    await expectUntouched('tc_egress', frame(cast));
  });
});
