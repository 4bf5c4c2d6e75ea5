// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, Proto } from '../../src/abi/enums.gen.ts';
import { packet } from '../support/packet.ts';
import { addressOf, CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import type { More } from '../support/prog-packets.ts';
import { answered, end, expectPacket, icmpError, quote, segment, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

const SEQ = 0xffff_fff0;
const ACK = 0x8000_0001;

describe.each(CASTS)('a frontend without a backend, IPv$family', (cast) => {
  const client = end(cast.client, 40_001);
  const frontend = end(cast.frontend, 80);

  interface Segment {
    readonly title: string;
    readonly flags: string;
    readonly more?: More;
    readonly answer: { readonly flags: string; readonly seq: number; readonly ack: number };
  }

  // RFC 9293, 3.10.7.1: what has an ACK is answered with its number; else the reset acknowledges what it occupied.
  const segments: readonly Segment[] = [
    { title: 'a SYN', flags: 'S', answer: { flags: 'RA', seq: 0, ack: 0xffff_fff1 } },
    {
      title: 'a SYN with options',
      flags: 'S',
      more: { l4: { options: 5 } },
      answer: { flags: 'RA', seq: 0, ack: 0xffff_fff1 },
    },
    {
      title: 'a SYN with data, over the end of the sequence numbers',
      flags: 'S',
      more: { l4: { options: 3, payload: Buffer.alloc(333, 7) } },
      answer: { flags: 'RA', seq: 0, ack: 0x13e },
    },
    { title: 'a FIN without ACK', flags: 'F', answer: { flags: 'RA', seq: 0, ack: 0xffff_fff1 } },
    { title: 'an ACK', flags: 'A', answer: { flags: 'R', seq: ACK, ack: 0 } },
    {
      title: 'data',
      flags: 'PA',
      more: { l4: { options: 3, payload: Buffer.alloc(500, 1) } },
      answer: { flags: 'R', seq: ACK, ack: 0 },
    },
    { title: 'a SYN-ACK', flags: 'SA', answer: { flags: 'R', seq: ACK, ack: 0 } },
  ];

  it.each(segments)('answers $title with a reset', async ({ flags, more, answer }) => {
    bench.service({ frontends: [frontend], backends: 'reject' });
    const spec = segment(flags, client, frontend, { ...more, l4: { seq: SEQ, ack: ACK, ...more?.l4 } });
    const outcome = await bench.run('tc_ingress', packet(spec));
    const { flags: out, ...numbers } = answer;
    expectPacket(outcome, 'redirect', answered(segment(out, frontend, client, { l4: { ...numbers, window: 0 } })));
    expect(bench.drops()).toEqual({ no_backend: { packets: 1n, bytes: BigInt(packet(spec).length - 14) } });
    expect(bench.flows()).toEqual([]);
    expect(bench.opened()).toEqual({});
  });

  it.each(['R', 'RA'])('does not answer a segment with %s, and counts it', async (flags) => {
    bench.service({ frontends: [frontend], backends: 'reject' });
    const outcome = await bench.run('tc_ingress', packet(segment(flags, client, frontend)));
    expect(outcome.verdict).toBe('drop');
    expect(bench.drops()).toMatchObject({ no_backend: { packets: 1n } });
  });

  it.each([
    { title: 'a datagram', l4: {} },
    { title: 'an empty datagram', l4: { payload: new Uint8Array() } },
    { title: 'a large datagram', l4: { payload: Buffer.alloc(1300, 3) } },
    ...(cast.family === 4 ? [{ title: 'a datagram without checksum', l4: { noChecksum: true } }] : []),
  ])('answers $title with port unreachable from its own address, quoting the headers', async ({ l4 }) => {
    bench.service({ proto: Proto.Udp, frontends: [frontend], backends: 'reject' });
    const spec = transport('udp', client, frontend, { l4 });
    const outcome = await bench.run('tc_ingress', packet(spec));
    const error = icmpError('port-unreachable', cast.frontend, cast.client, quote(spec, 8));
    expectPacket(outcome, 'redirect', answered(error));
    expect(bench.drops()).toEqual({ no_backend: { packets: 1n, bytes: BigInt(packet(spec).length - 14) } });
  });

  it('answers on a NodePort from the address of the node that was asked', async () => {
    bench.service({ frontends: [end(cast.anyNode, 30_080)], backends: 'reject' });
    bench.datapath.host.setNodeAddresses([addressOf(cast.node)]);
    const nodePort = end(cast.node, 30_080);
    const outcome = await bench.run('tc_ingress', packet(segment('S', client, nodePort, { l4: { seq: 5 } })));
    const answer = { l4: { seq: 0, ack: 6, window: 0 } };
    expectPacket(outcome, 'redirect', answered(segment('RA', nodePort, client, answer)));
  });

  if (cast.family === 4) {
    describe.each([1, 3, 10])('behind %i words of IPv4 options', (options) => {
      const ip = { options };

      it('answers a segment with a reset that has none', async () => {
        bench.service({ frontends: [frontend], backends: 'reject' });
        const spec = segment('S', client, frontend, { ip, l4: { seq: SEQ, options: 2, payload: Buffer.alloc(99, 9) } });
        const outcome = await bench.run('tc_ingress', packet(spec));
        const answer = { l4: { seq: 0, ack: SEQ + 1 + 99 - 2 ** 32, window: 0 } };
        expectPacket(outcome, 'redirect', answered(segment('RA', frontend, client, answer)));
        expect(bench.drops()).toEqual({ no_backend: { packets: 1n, bytes: BigInt(packet(spec).length - 14) } });
      });

      it.each([0, 1, 1200])('answers a datagram of %i bytes with port unreachable, quoting them', async (size) => {
        bench.service({ proto: Proto.Udp, frontends: [frontend], backends: 'reject' });
        const spec = transport('udp', client, frontend, { ip, l4: { payload: Buffer.alloc(size, 3) } });
        const outcome = await bench.run('tc_ingress', packet(spec));
        const error = icmpError('port-unreachable', cast.frontend, cast.client, quote(spec, 8));
        expectPacket(outcome, 'redirect', answered(error));
        expect(bench.drops()).toEqual({ no_backend: { packets: 1n, bytes: BigInt(packet(spec).length - 14) } });
      });
    });
  }

  it.each(['tcp', 'udp'] as const)('stays silent towards %s when there are backends, but not for it', async (proto) => {
    bench.service({ proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp, frontends: [frontend], backends: 'drop' });
    const outcome = await bench.run('tc_ingress', packet(transport(proto, client, frontend)));
    expect(outcome.verdict).toBe('drop');
    expect(bench.drops()).toMatchObject({ no_local_backend: { packets: 1n } });
    expect(Object.keys(bench.drops())).toEqual(['no_local_backend']);
  });

  it('lets the flows that it has go on', async () => {
    const service = bench.service({
      frontends: [frontend],
      backends: [{ addr: cast.local, port: 8080, flags: BackendFlags.Local }],
    });
    await bench.run('tc_ingress', packet(segment('S', client, frontend)));
    service.point('reject');
    const outcome = await bench.run('tc_ingress', packet(segment('A', client, frontend)));
    expectPacket(outcome, 'pass', segment('A', client, end(cast.local, 8080)));
  });
});
