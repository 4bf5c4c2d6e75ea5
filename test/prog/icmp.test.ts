// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, Proto } from '../../src/abi/enums.gen.ts';
import { packet, parsePacket } from '../support/packet.ts';
import { CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import type { End } from '../support/prog-packets.ts';
import { end, expectPacket, icmpError, quote, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

/** What a quote may hold of the transport header and what follows it. */
const QUOTED = [
  { part: 'all of it', n: undefined },
  { part: '20 bytes', n: 20 },
  { part: '8 bytes', n: 8 },
  { part: 'its ports', n: 4 },
];

describe.each(CASTS)('ICMP errors about translated packets, IPv$family', (cast) => {
  const client = end(cast.client, 40_001);
  const frontend = end(cast.frontend, 80);
  const local = end(cast.local, 8080);
  const remote = end(cast.remote, 8080);

  describe.each(['tcp', 'udp'] as const)('%s', (proto) => {
    const number = proto === 'tcp' ? Proto.Tcp : Proto.Udp;

    /** A flow to a backend of this node. */
    async function toLocal(): Promise<void> {
      bench.service({
        proto: number,
        frontends: [frontend],
        backends: [{ ...local, flags: BackendFlags.Local }],
      });
      await bench.run('tc_ingress', packet(transport(proto, client, frontend)));
    }

    /** A flow to a backend of another node; returns what it comes from. */
    async function toRemote(): Promise<End> {
      bench.service({
        proto: number,
        frontends: [frontend],
        backends: [{ ...remote, flags: BackendFlags.Remote }],
      });
      const { frame } = await bench.run('tc_ingress', packet(transport(proto, client, frontend)));
      return end(cast.node, parsePacket(frame).sport);
    }

    const lengths = QUOTED.filter(({ n }) => proto === 'tcp' || n !== 20);
    /** Of a quote, whose own checksum stays what it was: nobody checks it. */
    const original = (of: Uint8Array, was: Uint8Array): Uint8Array => {
      const bytes = Buffer.from(of);
      const at = (cast.family === 4 ? 20 : 40) + (proto === 'tcp' ? 16 : 6);
      if (bytes.length >= at + 2) bytes.set(was.subarray(at, at + 2), at);
      return bytes;
    };

    it.each(lengths)(
      "lead a router's too-big (quoting $part) to the local backend whose reply it was",
      async ({ n }) => {
        await toLocal();
        const seen = quote(transport(proto, frontend, client), n);
        const sent = original(quote(transport(proto, local, client), n), seen);
        expectPacket(
          await bench.run('tc_ingress', packet(icmpError('too-big', cast.router, frontend.addr, seen, { rest: 1280 }))),
          'pass',
          icmpError('too-big', cast.router, local.addr, sent, { rest: 1280 }),
        );
      },
    );

    it.each(lengths)("show the client the frontend in a local backend's refusal (quoting $part)", async ({ n }) => {
      await toLocal();
      const seen = quote(transport(proto, client, local), n);
      const sent = original(quote(transport(proto, client, frontend), n), seen);
      expectPacket(
        await bench.run('tc_egress', packet(icmpError('port-unreachable', local.addr, client.addr, seen))),
        'pass',
        icmpError('port-unreachable', frontend.addr, client.addr, sent),
      );
    });

    it("keep this node's address when it speaks of a packet to a local backend", async () => {
      await toLocal();
      const seen = quote(transport(proto, client, local), 8);
      const sent = original(quote(transport(proto, client, frontend), 8), seen);
      expectPacket(
        await bench.run('tc_egress', packet(icmpError('time-exceeded', cast.node, client.addr, seen))),
        'pass',
        icmpError('time-exceeded', cast.node, client.addr, sent),
      );
    });

    it.each(lengths)('reach the client when a router refuses what was sent on (quoting $part)', async ({ n }) => {
      const snat = await toRemote();
      const seen = quote(transport(proto, snat, remote), n);
      const sent = original(quote(transport(proto, client, frontend), n), seen);
      expectPacket(
        await bench.run('tc_ingress', packet(icmpError('too-big', cast.router, snat.addr, seen, { rest: 1300 }))),
        'redirect',
        icmpError('too-big', frontend.addr, client.addr, sent, { rest: 1300, ttl: 63 }),
      );
    });

    it("reach the client as the frontend's when the remote backend itself refuses", async () => {
      const snat = await toRemote();
      const seen = quote(transport(proto, snat, remote));
      const sent = original(quote(transport(proto, client, frontend)), seen);
      expectPacket(
        await bench.run('tc_ingress', packet(icmpError('port-unreachable', remote.addr, snat.addr, seen))),
        'redirect',
        icmpError('port-unreachable', frontend.addr, client.addr, sent, { ttl: 63 }),
      );
    });

    it.each(lengths)('reach the remote backend when a router refuses its reply (quoting $part)', async ({ n }) => {
      const snat = await toRemote();
      const seen = quote(transport(proto, frontend, client), n);
      const sent = original(quote(transport(proto, remote, snat), n), seen);
      expectPacket(
        await bench.run('tc_ingress', packet(icmpError('host-unreachable', cast.router, frontend.addr, seen))),
        'redirect',
        icmpError('host-unreachable', snat.addr, remote.addr, sent, { ttl: 63 }),
      );
    });

    it('are not forwarded with a TTL of 1', async () => {
      const snat = await toRemote();
      const error = icmpError('too-big', cast.router, snat.addr, quote(transport(proto, snat, remote)), { ttl: 1 });
      expect((await bench.run('tc_ingress', packet(error))).verdict).toBe('drop');
      expect(bench.drops()).toMatchObject({ ttl_exceeded: { packets: 1n } });
    });

    it('are no sign of life: the flow counts no packet', async () => {
      await toLocal();
      const before = bench.flows();
      const error = icmpError('too-big', cast.router, frontend.addr, quote(transport(proto, frontend, client)));
      await bench.run('tc_ingress', packet(error));
      expect(bench.flows()).toEqual(before);
    });

    if (cast.family === 4) {
      it('are found behind IPv4 options, their own and those of the quote', async () => {
        await toLocal();
        const seen = quote(transport(proto, frontend, client, { ip: { options: 10 } }), 8);
        const sent = Buffer.from(quote(transport(proto, local, client, { ip: { options: 10 } }), 8));
        const check = 60 + 6;
        if (proto === 'udp') sent.set(seen.subarray(check, check + 2), check);
        expectPacket(
          await bench.run(
            'tc_ingress',
            packet(icmpError('parameter-problem', cast.router, frontend.addr, seen, { options: 10 })),
          ),
          'pass',
          icmpError('parameter-problem', cast.router, local.addr, sent, { options: 10 }),
        );
      });
    }
  });
});
