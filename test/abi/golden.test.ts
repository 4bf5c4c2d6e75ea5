// SPDX-License-Identifier: Apache-2.0
// Bytes written by hand from bpf/abi.h, against the generated codecs: the one check that does not trust the generator.

import { describe, expect, it } from 'vitest';
import type { Codec } from '../../src/abi/codec.ts';
import { decodeBytes, encodeBytes, LITTLE, u32Codec, u64Codec } from '../../src/abi/codec.ts';
import {
  backendCodec,
  controlCodec,
  flow4Codec,
  flow4KeyCodec,
  flow6KeyCodec,
  frontendCodec,
  frontendKeyCodec,
  ifaceCodec,
  serviceCodec,
  slotBlockCodec,
  udpPeerKeyCodec,
} from '../../src/abi/codecs.gen.ts';
import {
  BackendFlags,
  ControlFlags,
  FlowFlags,
  FlowState,
  FrontendFlags,
  IfaceFlags,
  Proto,
} from '../../src/abi/enums.gen.ts';
import { parseAddress } from '../../src/net/ip.ts';
import type { Address } from '../../src/net/ip.ts';

interface Golden<T> {
  readonly title: string;
  readonly codec: Codec<T>;
  readonly value: T;
  readonly hex: string;
}

function golden<T>(title: string, codec: Codec<T>, value: T, hex: string): Golden<unknown> {
  return { title, codec, value, hex };
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const V4 = address('192.0.2.33');
const V6 = address('2001:db8::a:1');
const MAPPED = '00000000 00000000 0000ffff c0000221';
const FULL = '20010db8 00000000 00000000 000a0001';

const GOLDEN = [
  golden(
    'frontend_key: an IPv4 address in v4-mapped form, port in network order, zero pad',
    frontendKeyCodec,
    { addr: V4, port: 0x1f90, proto: Proto.Tcp },
    `${MAPPED} 1f90 06 00`,
  ),
  golden(
    'frontend_key: an IPv6 address',
    frontendKeyCodec,
    { addr: V6, port: 53, proto: Proto.Udp },
    `${FULL} 0035 11 00`,
  ),
  golden(
    'frontend_key: the zero address of a NodePort',
    frontendKeyCodec,
    { addr: address('::'), port: 30080, proto: Proto.Sctp },
    '00000000 00000000 00000000 00000000 7580 84 00',
  ),
  golden(
    'frontend: integers in host order',
    frontendCodec,
    { service: 0x01020304, setInternal: 2, setExternal: 0xffffffff, affinityS: 10800, flags: FrontendFlags.NodePort },
    '04030201 02000000 ffffffff 302a0000 02000000',
  ),
  golden(
    'backend: network order beside host order',
    backendCodec,
    { addr: V6, port: 8080, proto: Proto.Tcp, flags: BackendFlags.Remote | BackendFlags.Retired, weight: 256, zone: 7 },
    `${FULL} 1f90 06 06 0001 0700`,
  ),
  golden(
    'slot_block: sixteen ids',
    slotBlockCodec,
    { backend: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x10203040] },
    `01000000 02000000 03000000 04000000 05000000 06000000 07000000 08000000
     09000000 0a000000 0b000000 0c000000 0d000000 0e000000 0f000000 40302010`,
  ),
  golden(
    'service: zero-terminated text in UTF-8',
    serviceCodec,
    { namespace: 'shop', name: 'wäb', portName: '', proto: Proto.Tcp, family: 6 },
    `73686f70 ${'00'.repeat(60)} 77c3a462 ${'00'.repeat(60)} ${'00'.repeat(64)} 06 06 0000`,
  ),
  golden(
    'flow4_key: IPv4 addresses of four bytes',
    flow4KeyCodec,
    { saddr: address('198.51.100.1'), daddr: V4, sport: 49152, dport: 443, proto: Proto.Tcp },
    'c6336401 c0000221 c000 01bb 06 000000',
  ),
  golden(
    'flow6_key: IPv6 addresses',
    flow6KeyCodec,
    { saddr: V6, daddr: address('::1'), sport: 1, dport: 2, proto: Proto.Udp },
    `${FULL} 00000000 00000000 00000000 00000001 0001 0002 11 000000`,
  ),
  golden(
    'flow4: a struct within, then IPv4 addresses of four bytes',
    flow4Codec,
    {
      flow: {
        packets: 0x0102030405060708n,
        bytes: 1n,
        service: 9,
        backend: 10,
        lastSeen: 11,
        generation: 12,
        ifindex: 13,
        sport: 0x1234,
        dport: 0x5678,
        mtu: 1500,
        state: FlowState.Syn | FlowState.Ack,
        flags: FlowFlags.Snat,
      },
      saddr: V4,
      daddr: address('255.255.255.254'),
      nexthop: address('0.0.0.0'),
    },
    `08070605 04030201 01000000 00000000 09000000 0a000000 0b000000 0c000000 0d000000
     1234 5678 dc05 03 02 00000000 c0000221 fffffffe 00000000 00000000`,
  ),
  golden(
    'udp_peer_key: padding of six bytes',
    udpPeerKeyCodec,
    { cookie: 0xffeeddccbbaa9988n, addr: V4, port: 53 },
    `8899aabb ccddeeff ${MAPPED} 0035 000000000000`,
  ),
  golden(
    'iface: a MAC between integers',
    ifaceCodec,
    { addr6: V6, addr4: V4, mtu: 9000, mac: '02:ab:cd:ef:00:0a', flags: IfaceFlags.Uplink },
    `${FULL} c0000221 28230000 02abcdef000a 0100`,
  ),
  golden(
    'control: addresses of 4 and of 16 bytes, each beside its mask',
    controlCodec,
    {
      generation: 3,
      flags: ControlFlags.MasqueradeAll,
      node6: V6,
      node4: V4,
      local4: V4,
      local4Mask: V4,
      local4Bits: 112,
      local6: V6,
      local6Mask: V6,
      local6Bits: 48,
    },
    `03000000 02000000 ${FULL} c0000221 c0000221 c0000221 70000000 ${FULL} ${FULL} 30000000 00000000`,
  ),
  golden('a 32-bit key', u32Codec, 0xfffffffe, 'feffffff'),
  golden('a 64-bit word', u64Codec, 0x0010_0000_0000_0001n, '0100000000001000'),
];

// The bytes above are a little-endian machine's.
describe.runIf(LITTLE)('codecs', () => {
  for (const { title, codec, value, hex } of GOLDEN) {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));

    it(`writes ${title}`, () => {
      expect(toHex(encodeBytes(codec, value))).toBe(toHex(bytes));
    });

    it(`reads ${title}`, () => {
      expect(decodeBytes(codec, bytes)).toEqual(value);
    });
  }
});
