// SPDX-License-Identifier: Apache-2.0
// IPv4 packets that may be cut, on their way through both doors. What the host's stack does between them is played here:
// it takes one off the TTL and cuts.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, Proto } from '../../src/abi/enums.gen.ts';
import type { PacketSpec } from '../support/packet.ts';
import { ipPacket, packet, parsePacket } from '../support/packet.ts';
import { addressOf, castOf, HOST } from '../support/prog-addresses.ts';
import { NO_ROLES, ProgBench } from '../support/prog-bench.ts';
import { UPLINK } from '../support/prog-network.ts';
import type { End, More, Transport } from '../support/prog-packets.ts';
import { answered, end, expectPacket, icmpError, quote, text, transport } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

const cast = castOf(4);
const client = end(cast.client, 40_001);
const frontend = end(cast.frontend, 80);
const local = end(cast.local, 8080);
const remote = end(cast.remote, 8080);

const ingress = async (spec: PacketSpec, gsoSize = 0) => bench.run('tc_ingress', packet(spec), { gsoSize });
const egress = async (spec: PacketSpec) => bench.run('tc_egress', packet(spec));

/** Too large for the uplink in IPv4 packets without DF. */
function large(more: More = {}): More {
  const payload = Uint8Array.from({ length: 2 * UPLINK.mtu + 77 }, (_, i) => i);
  return { ip: { df: false, id: nextId(), ...more.ip }, l4: { flags: 'A', payload, ...more.l4 } };
}

/** Two packets with one identification would be taken for one. */
let ids = 0x7000;
function nextId(): number {
  return ids++;
}

/** As RFC 791 has it, for a device of this MTU. */
function cut(spec: PacketSpec, mtu: number): PacketSpec[] {
  const { ttl, id, src, dst, l4 } = spec;
  const bytes = ipPacket({ ...spec, df: false }).subarray(20);
  const room = Math.floor((mtu - 20) / 8) * 8;
  const number = l4.proto === 'tcp' ? 6 : 17;
  return Array.from({ length: Math.ceil(bytes.length / room) }, (_, i) => ({
    src,
    dst,
    ...(ttl === undefined ? {} : { ttl }),
    ...(id === undefined ? {} : { id }),
    fragment: { offset: (i * room) / 8, more: (i + 1) * room < bytes.length },
    l4: { proto: 'raw', number, payload: bytes.subarray(i * room, (i + 1) * room) },
  }));
}

async function expectFragments(sent: PacketSpec, seen: PacketSpec): Promise<void> {
  const wanted = cut(seen, UPLINK.mtu);
  expect(wanted.length).toBeGreaterThan(1);
  for (const [i, fragment] of cut(sent, UPLINK.mtu).entries()) {
    const outcome = await egress(fragment);
    expect(outcome.verdict).toBe('pass');
    expect(text(outcome.frame)).toBe(text(packet(wanted[i] ?? fragment)));
  }
}

async function expectUntouched(spec: PacketSpec): Promise<void> {
  const { verdict, frame } = await egress(spec);
  expect({ verdict, frame: text(frame) }).toEqual({ verdict: 'pass', frame: text(packet(spec)) });
}

describe.each(['tcp', 'udp'] as const)('%s', (proto: Transport) => {
  const given = (backend: End, flags: number): void => {
    bench.service({
      proto: proto === 'tcp' ? Proto.Tcp : Proto.Udp,
      frontends: [frontend],
      backends: [{ ...backend, flags }],
    });
  };

  /** A flow to a backend of another node; returns what it comes from. */
  async function toRemote(): Promise<End> {
    given(remote, BackendFlags.Remote);
    const { frame } = await ingress(transport(proto, client, frontend));
    return end(cast.node, parsePacket(frame).sport);
  }

  const hop = (more: More): More => ({ ...more, ip: { ...more.ip, ttl: 63 } });

  it.each([
    { title: 'without options', more: {} },
    { title: 'of the smallest TTL that can be forwarded', more: { ip: { ttl: 2 } } },
  ])('a packet $title that is too large for the next link reaches the remote backend in fragments', async (of) => {
    const snat = await toRemote();
    const more = large(of.more);
    // The stack takes no packet from an address of its own: that comes last.
    const halfway = end(client.addr, snat.port);
    expectPacket(
      await ingress(transport(proto, client, frontend, more)),
      'pass',
      transport(proto, halfway, remote, more),
    );
    expect(bench.drops()).toEqual({});
    const later: More = { ...more, ip: { ...more.ip, ttl: (more.ip?.ttl ?? 64) - 1 } };
    await expectFragments(transport(proto, halfway, remote, later), transport(proto, snat, remote, later));
  });

  it('a packet with IPv4 options is handed to the stack with them', async () => {
    const snat = await toRemote();
    const more = large({ ip: { options: 3 } });
    const halfway = transport(proto, end(client.addr, snat.port), remote, more);
    expectPacket(await ingress(transport(proto, client, frontend, more)), 'pass', halfway);
    expectPacket(await egress(halfway), 'pass', transport(proto, snat, remote, more));
  });

  it('a reply of a remote backend reaches the client in fragments', async () => {
    const snat = await toRemote();
    const more = large();
    const halfway = end(remote.addr, frontend.port);
    expectPacket(await ingress(transport(proto, remote, snat, more)), 'pass', transport(proto, halfway, client, more));
    await expectFragments(transport(proto, halfway, client, hop(more)), transport(proto, frontend, client, hop(more)));
  });

  it('a reply of a local backend that the stack has cut shows the frontend in every fragment', async () => {
    given(local, BackendFlags.Local);
    await ingress(transport(proto, client, frontend));
    const more = hop(large());
    await expectFragments(transport(proto, local, client, more), transport(proto, frontend, client, more));
  });

  it('fragments of another packet stay what they are, before, between and after', async () => {
    const snat = await toRemote();
    const more = large();
    await ingress(transport(proto, client, frontend, more));
    const halfway = transport(proto, end(client.addr, snat.port), remote, hop(more));
    const [first, second, last] = cut(halfway, UPLINK.mtu);
    if (first === undefined || second === undefined || last === undefined) throw new Error('there are not three');
    const strangers = [
      { ...second, id: nextId() },
      { ...second, src: cast.stranger },
      { ...second, dst: cast.otherRemote },
      { ...second, l4: { ...second.l4, proto: 'raw', number: proto === 'tcp' ? 17 : 6, payload: Buffer.alloc(8) } },
      { ...second, l4: { proto: 'raw', number: 47, payload: Buffer.alloc(8) } },
    ] satisfies PacketSpec[];
    for (const own of [first, second, last]) {
      for (const stranger of strangers) await expectUntouched(stranger);
      expect(parseAddresses((await egress(own)).frame)).toEqual([snat.addr, remote.addr]);
    }
    await expectUntouched(last);
  });

  it('a packet that the stack need not cut after all comes from this node like others', async () => {
    const snat = await toRemote();
    const more = large();
    await ingress(transport(proto, client, frontend, more));
    const whole = transport(proto, end(client.addr, snat.port), remote, hop(more));
    expectPacket(await egress(whole), 'pass', transport(proto, snat, remote, hop(more)));
    await expectUntouched(whole);
  });

  it('segments of one large skb are found by the numbers that they get, when they are too large', async () => {
    const snat = await toRemote();
    const more = large();
    const { id = 0 } = more.ip ?? {};
    expect((await ingress(transport(proto, client, frontend, more), UPLINK.mtu)).verdict).toBe('pass');
    const fragment = { offset: 20, more: false };
    const l4 = { proto: 'raw', number: proto === 'tcp' ? 6 : 17, payload: Buffer.alloc(50) } as const;
    for (const nth of [0, 1, 2]) {
      const { frame } = await egress({ src: client.addr, dst: remote.addr, id: id + nth, fragment, l4 });
      expect(parseAddresses(frame)).toEqual([snat.addr, remote.addr]);
    }
    await expectUntouched({ src: client.addr, dst: remote.addr, id: id + 3, fragment, l4 });
  });

  it('a large skb in segments that fit is sent like any other', async () => {
    const snat = await toRemote();
    const more = large();
    expectPacket(
      await ingress(transport(proto, client, frontend, more), 1000),
      'redirect',
      transport(proto, snat, remote, hop(more)),
    );
  });

  it('is refused where nobody would see the fragments leave: the next link is no uplink', async () => {
    const here = { ...UPLINK, address4: addressOf(HOST.node.v4), address6: addressOf(HOST.node.v6) };
    bench.datapath.host.setInterfaces([here], NO_ROLES);
    try {
      await toRemote();
      const packetToCut = transport(proto, client, frontend, large());
      const quoted = quote(packetToCut, proto === 'tcp' ? 20 : 8);
      const error = icmpError('too-big', frontend.addr, client.addr, quoted, { rest: UPLINK.mtu });
      expectPacket(await ingress(packetToCut), 'redirect', answered(error));
    } finally {
      bench.datapath.host.setInterfaces([here], { ...NO_ROLES, uplinks: new Set([UPLINK.ifindex]) });
    }
  });

  it('an ICMP error that quotes a first fragment finds its flow', async () => {
    const snat = await toRemote();
    const [first] = cut(transport(proto, snat, remote, large()), UPLINK.mtu);
    const [shown] = cut(transport(proto, client, frontend, large()), UPLINK.mtu);
    if (first === undefined || shown === undefined) throw new Error('nothing was cut');
    const error = icmpError('host-unreachable', cast.router, snat.addr, quote(first, 8));
    const { verdict, frame } = await ingress(error);
    expect(verdict).toBe('redirect');
    const seen = parsePacket(frame);
    expect(seen).toMatchObject({ src: frontend.addr, dst: client.addr, bad: [] });
    expect(text(seen.payload.subarray(12, 24))).toBe(text(quote(shown, 4).subarray(12, 24)));
  });
});

/** Of fragments, which have no ports. */
function parseAddresses(frame: Uint8Array): [src: string, dst: string] {
  const { src, dst } = parsePacket(frame);
  return [src, dst];
}
