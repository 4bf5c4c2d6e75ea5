// SPDX-License-Identifier: Apache-2.0
// Addresses of Services where no frontend is asked for: ports that nobody has, and pings.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, FrontendFlags } from '../../src/abi/enums.gen.ts';
import type { PacketSpec } from '../support/packet.ts';
import { MAC, packet } from '../support/packet.ts';
import { addressOf, alone, CASTS, prefixOf } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import { answered, end, expectPacket, icmpError, quote, segment, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

describe.each(CASTS)('an address of the Services, IPv$family', (cast) => {
  const client = end(cast.client, 40_001);
  const frontend = end(cast.frontend, 80);
  const ingress = (spec: PacketSpec) => bench.run('tc_ingress', packet(spec));

  beforeEach(() => {
    bench.datapath.host.setServiceRanges([prefixOf(alone(cast.frontend))]);
  });

  it('refuses a connection to a port that no Service has, and a segment out of nowhere', async () => {
    const syn = segment('S', client, frontend, { l4: { seq: 5 } });
    expectPacket(
      await ingress(syn),
      'redirect',
      answered(segment('RA', frontend, client, { l4: { seq: 0, ack: 6, window: 0 } })),
    );
    const ack = segment('A', client, frontend, { l4: { ack: 7 } });
    expectPacket(
      await ingress(ack),
      'redirect',
      answered(segment('R', frontend, client, { l4: { seq: 7, ack: 0, window: 0 } })),
    );
    expect(bench.drops()).toMatchObject({ no_service: { packets: 2n } });
  });

  it('refuses a datagram to a port that no Service has', async () => {
    const spec = transport('udp', client, frontend);
    const error = icmpError('port-unreachable', cast.frontend, cast.client, quote(spec, 8));
    expectPacket(await ingress(spec), 'redirect', answered(error));
  });

  it('leaves alone what asks for other addresses', async () => {
    const spec = segment('S', client, end(cast.otherFrontend, 80));
    expectPacket(await ingress(spec), 'pass', spec);
    expect(bench.drops()).toEqual({});
  });

  it('of a Service that is no more refuses the port of a connection that has ended, again and again', async () => {
    bench.service({ frontends: [frontend], backends: [{ ...end(cast.local, 8080), flags: BackendFlags.Local }] });
    await ingress(segment('S', client, frontend));
    await ingress(segment('R', client, frontend));
    bench.forgetFrontends();
    for (let n = 0; n < 2; n++) expect((await ingress(segment('S', client, frontend))).verdict).toBe('redirect');
    expect(bench.drops()).toMatchObject({ no_service: { packets: 2n } });
  });
});

describe.each(CASTS)('a ping, IPv$family', (cast) => {
  const [request, reply] = cast.family === 4 ? [8, 0] : [128, 129];
  const icmp = (type: number) =>
    ({ proto: 'icmp', type, code: 0, rest: 0x1234_0007, payload: Buffer.from('odd') }) as const;
  const ping: PacketSpec = { src: cast.client, dst: cast.frontend, l4: icmp(request), id: 77 };
  const frontends = (flags: number): void => {
    bench.datapath.lb.putServiceAddrs([[{ addr: addressOf(cast.frontend) }, { flags }]]);
  };

  it.each([
    ['ClusterIP', FrontendFlags.ClusterIp],
    ['load balancer', FrontendFlags.LoadBalancer],
  ])('to the address of a %s is answered', async (_, flags) => {
    frontends(flags);
    const answer = { src: cast.frontend, dst: cast.client, l4: icmp(reply), id: 77, ttl: 64 };
    const macs = { src: MAC.dst, dst: MAC.src };
    expectPacket(await bench.run('tc_ingress', packet(ping)), 'redirect', { ...answer, macs });
  });

  it.each([
    ['an external IP, which may be a host that has more to say', FrontendFlags.ExternalIp, []],
    ['an address of this node, whose stack answers', FrontendFlags.LoadBalancer, [cast.frontend]],
  ])('to %s is left alone', async (_, flags, own) => {
    frontends(flags);
    bench.datapath.host.setNodeAddresses(own.map(addressOf));
    expectPacket(await bench.run('tc_ingress', packet(ping)), 'pass', ping);
  });

  it('that leaves this node is left alone', async () => {
    frontends(FrontendFlags.ClusterIp);
    expectPacket(await bench.run('tc_egress', packet(ping)), 'pass', ping);
  });
});
