// SPDX-License-Identifier: Apache-2.0
// Devices without a link layer. A test run always reads an Ethernet header: the packets here are made so that the
// first 14 bytes of their IP header can be read as one (the source address holds the EtherType).

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, Proto } from '../../src/abi/enums.gen.ts';
import { ipPacket, parseIp } from '../support/packet.ts';
import { CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import type { Outcome } from '../support/prog-bench.ts';
import { end, segment, text, transport } from '../support/prog-packets.ts';

/** Bytes of an Ethernet header. */
const ETHERNET = 14;

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

function readable(family: number, n: number): string {
  return family === 4 ? `8.0.0.${n}` : `2001:db8:86dd::${n}`;
}

const shown = ({ verdict, frame }: Outcome) => ({ verdict, packet: text(frame) });

describe.each(CASTS)('a device without a link layer, IPv$family', (cast) => {
  const client = end(readable(cast.family, 1), 40_001);
  const local = end(readable(cast.family, 2), 8080);
  const frontend = end(cast.frontend, 80);

  it.each(['tcp', 'udp'] as const)('carries %s to a local backend and back', async (proto) => {
    // The test run looks for an IP header after what it takes for Ethernet's.
    const more = { l4: { payload: Buffer.alloc(61, 7) } };
    bench.service({
      proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp,
      frontends: [frontend],
      backends: [{ ...local, flags: BackendFlags.Local }],
    });
    const there = await bench.run('tc_ingress_l3', ipPacket(transport(proto, client, frontend, more)));
    expect(shown(there)).toEqual({ verdict: 'pass', packet: text(ipPacket(transport(proto, client, local, more))) });
    const back = await bench.run('tc_egress_l3', ipPacket(transport(proto, local, client, more)));
    expect(shown(back)).toEqual({ verdict: 'pass', packet: text(ipPacket(transport(proto, frontend, client, more))) });
  });

  it('carries to a backend on another node what the kernel takes for Ethernet', async () => {
    const remote = end(cast.remote, 8080);
    bench.service({ frontends: [frontend], backends: [{ ...remote, flags: BackendFlags.Remote }] });
    const { verdict, frame } = await bench.run('tc_ingress_l3', ipPacket(segment('S', client, frontend)));
    const snat = end(cast.node, parseIp(frame.subarray(ETHERNET)).sport);
    expect({ verdict, header: [...frame.subarray(0, ETHERNET)] }).toEqual({
      verdict: 'redirect',
      header: Array.from({ length: ETHERNET }, () => 0),
    });
    expect(text(frame.subarray(ETHERNET))).toBe(text(ipPacket(segment('S', snat, remote, { ip: { ttl: 63 } }))));
  });

  // Not port unreachable: the room for it would be made behind the Ethernet header that the test run believes in.
  it('carries a reset when nobody serves', async () => {
    bench.service({ frontends: [frontend], backends: 'reject' });
    const outcome = await bench.run('tc_ingress_l3', ipPacket(segment('S', client, frontend, { l4: { seq: 9 } })));
    const reset = segment('RA', frontend, client, { l4: { seq: 0, ack: 10, window: 0 }, ip: { id: 0 } });
    expect(shown(outcome)).toEqual({ verdict: 'redirect', packet: text(ipPacket(reset)) });
  });

  it('carries on what is of no Service', async () => {
    const spec = segment('S', client, end(cast.stranger, 80));
    for (const door of ['tc_ingress_l3', 'tc_egress_l3'] as const) {
      expect(shown(await bench.run(door, ipPacket(spec)))).toEqual({ verdict: 'pass', packet: text(ipPacket(spec)) });
    }
  });
});
