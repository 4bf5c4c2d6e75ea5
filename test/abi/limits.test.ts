// SPDX-License-Identifier: Apache-2.0
// Values that a field cannot hold are refused with the field's name; DataView alone would cut them without a word.

import { describe, expect, it } from 'vitest';
import { decodeBytes, encodeBytes, s16, s32, s64, s8, u32Codec, u64Codec } from '../../src/abi/codec.ts';
import { backendCodec, flow4KeyCodec, ifaceCodec, serviceCodec, slotBlockCodec } from '../../src/abi/codecs.gen.ts';
import { Proto } from '../../src/abi/enums.gen.ts';
import { SETTINGS } from '../../src/abi/config.gen.ts';
import { addressFromBytes } from '../../src/net/ip.ts';

const V4 = addressFromBytes(Uint8Array.of(192, 0, 2, 1));
const V6 = addressFromBytes(Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
const backend = { addr: V4, port: 80, proto: Proto.Tcp, flags: 0, weight: 1, zone: 0 };
const service = { namespace: 'a', name: 'b', portName: 'c', proto: Proto.Tcp, family: 4 };
const iface = { addr6: V6, addr4: V4, mtu: 1500, mac: '02:00:00:00:00:01', flags: 0 };

describe('codecs', () => {
  it.for([65_536, -1, 1.5, Number.NaN])('refuse port %s, which 16 bits cannot hold', (port) => {
    expect(() => encodeBytes(backendCodec, { ...backend, port })).toThrow(`backend.port cannot hold ${port}`);
  });

  it.for([2 ** 32, -1, 0.5, Number.POSITIVE_INFINITY])('refuse %s as a 32-bit key', (key) => {
    expect(() => encodeBytes(u32Codec, key)).toThrow('__u32 cannot hold');
  });

  it.for([2n ** 64n, -1n])('refuse %s as a 64-bit word', (word) => {
    expect(() => encodeBytes(u64Codec, word)).toThrow('__u64 cannot hold');
  });

  it('refuse a weight that is wider than its field', () => {
    expect(() => encodeBytes(backendCodec, { ...backend, weight: 70_000 })).toThrow('backend.weight cannot hold 70000');
  });

  it('accept text of 63 bytes and refuse 64, because the last byte is the final zero', () => {
    const fits = 'n'.repeat(63);
    expect(decodeBytes(serviceCodec, encodeBytes(serviceCodec, { ...service, name: fits })).name).toBe(fits);
    expect(() => encodeBytes(serviceCodec, { ...service, name: `${fits}n` })).toThrow(
      'it has 64 bytes, at most 63 fit',
    );
  });

  it('count bytes of UTF-8 and not characters', () => {
    expect(() => encodeBytes(serviceCodec, { ...service, name: 'ä'.repeat(32) })).toThrow('it has 64 bytes');
  });

  it.for(['a\0b', 'ä\0b'])('refuse text with a zero character in it: %j', (name) => {
    expect(() => encodeBytes(serviceCodec, { ...service, name })).toThrow('contains a zero character');
  });

  it('read text that fills its field to the last byte', () => {
    const bytes = encodeBytes(serviceCodec, service);
    bytes.fill(0x78, 0, 64);
    expect(decodeBytes(serviceCodec, bytes).namespace).toBe('x'.repeat(64));
  });

  it.for(['02:00:00:00:00', '02-00-00-00-00-01', '02:00:00:00:00:0g', ''])('refuse %j as a MAC', (mac) => {
    expect(() => encodeBytes(ifaceCodec, { ...iface, mac })).toThrow('iface.mac cannot hold');
  });

  it('refuse an IPv6 address where four bytes are', () => {
    const key = { saddr: V6, daddr: V4, sport: 1, dport: 2, proto: Proto.Tcp };
    expect(() => encodeBytes(flow4KeyCodec, key)).toThrow('does not fit in 4 bytes');
  });

  it('refuse a list of another length than the field', () => {
    expect(() => encodeBytes(slotBlockCodec, { backend: [1, 2] })).toThrow('slot_block.backend has 16 elements, not 2');
  });

  it('refuse to decode another number of bytes', () => {
    expect(() => decodeBytes(backendCodec, new Uint8Array(23))).toThrow('backend has 24 bytes, not 23');
  });

  it('check signed integers by their width', () => {
    expect([s8(-128, 'f'), s16(32_767, 'f'), s32(-(2 ** 31), 'f'), s64(-(2n ** 63n), 'f')]).toEqual([
      -128,
      32_767,
      -(2 ** 31),
      -(2n ** 63n),
    ]);
    expect(() => s8(128, 'f')).toThrow('f cannot hold 128: it has 8 bits');
    expect(() => s16(-32_769, 'f')).toThrow('16 bits');
    expect(() => s32(2 ** 31, 'f')).toThrow('32 bits');
    expect(() => s64(2n ** 63n, 'f')).toThrow('64 bits');
  });
});

describe('settings', () => {
  it('encode into as many bytes as the variable has', () => {
    expect(SETTINGS.snatPortMin.encode(0xc000)).toEqual(Uint8Array.of(0x00, 0xc0));
    expect(SETTINGS.hostNetns.encode(1n)).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  });

  it('refuse what the variable cannot hold', () => {
    expect(() => SETTINGS.snatPortMin.encode(65_536)).toThrow('cfg_snat_port_min cannot hold 65536');
  });
});
