// SPDX-License-Identifier: Apache-2.0
// Packets for program tests: built from a description, and read back into one by code that shares nothing with bpf/.
// Checksums are always full; `verify` says which of a packet's are wrong.

import { isIPv6, SocketAddress } from 'node:net';

export interface L4 {
  readonly proto: 'tcp' | 'udp';
  readonly sport: number;
  readonly dport: number;
  /** TCP: letters of SAFRPU. */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly payload?: Uint8Array;
  /** TCP: 4-byte words of options (NOPs). */
  readonly options?: number;
  readonly window?: number;
  /** UDP over IPv4: no checksum. */
  readonly noChecksum?: boolean;
}

export interface Icmp {
  readonly proto: 'icmp';
  readonly type: number;
  readonly code: number;
  /** Bytes 4…7: the MTU of a too-big error, identifier and sequence of an echo. */
  readonly rest?: number;
  readonly payload: Uint8Array;
}

/** Anything else: no checksum is made. */
export interface Raw {
  readonly proto: 'raw';
  readonly number: number;
  readonly payload: Uint8Array;
}

export interface PacketSpec {
  readonly src: string;
  readonly dst: string;
  readonly macs?: { readonly dst: string; readonly src: string };
  /** IPv4's identification. */
  readonly id?: number;
  readonly ttl?: number;
  /** 4-byte words of IPv4 options (NOPs). */
  readonly options?: number;
  readonly df?: boolean;
  /** Fragment offset in 8-byte units, and more-fragments. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  readonly l4: L4 | Icmp | Raw;
}

const FLAG_BITS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32 };
const PROTO = { tcp: 6, udp: 17, icmp: 1, icmp6: 58 } as const;

export const MAC = { dst: '02:00:00:00:00:01', src: '02:00:00:00:00:02' } as const;

/** Ethernet and the rest. */
export function packet(spec: PacketSpec): Uint8Array {
  const ip = ipPacket(spec);
  return ethernet(isIPv6(spec.dst) ? 0x86dd : 0x0800, ip, spec.macs);
}

export function ethernet(type: number, body: Uint8Array, macs: { dst: string; src: string } = MAC): Uint8Array {
  const header = Buffer.alloc(14);
  header.set(Buffer.from(macs.dst.replaceAll(':', ''), 'hex'), 0);
  header.set(Buffer.from(macs.src.replaceAll(':', ''), 'hex'), 6);
  header.writeUInt16BE(type, 12);
  return Buffer.concat([header, body]);
}

/** From the IP header on: what an ICMP error quotes. */
export function ipPacket(spec: PacketSpec): Uint8Array {
  const v6 = isIPv6(spec.dst);
  const body = l4Bytes(spec, v6);
  const proto = protocolNumber(spec.l4, v6);
  if (v6) {
    const header = Buffer.alloc(40);
    header.writeUInt32BE(0x60000000, 0);
    header.writeUInt16BE(body.length, 4);
    header.writeUInt8(proto, 6);
    header.writeUInt8(spec.ttl ?? 64, 7);
    header.set(addressBytes(spec.src), 8);
    header.set(addressBytes(spec.dst), 24);
    return Buffer.concat([header, body]);
  }
  const header = Buffer.alloc(20 + 4 * (spec.options ?? 0), 1);
  header.writeUInt8(0x40 | (header.length / 4), 0);
  header.writeUInt8(0, 1);
  header.writeUInt16BE(header.length + body.length, 2);
  header.writeUInt16BE(spec.id ?? 0x1234, 4);
  const fragment = (spec.fragment?.offset ?? 0) | (spec.fragment?.more === true ? 0x2000 : 0);
  header.writeUInt16BE(fragment | (spec.df === false || spec.fragment !== undefined ? 0 : 0x4000), 6);
  header.writeUInt8(spec.ttl ?? 64, 8);
  header.writeUInt8(proto, 9);
  header.writeUInt16BE(0, 10);
  header.set(addressBytes(spec.src), 12);
  header.set(addressBytes(spec.dst), 16);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, body]);
}

export interface Parsed {
  readonly macs: { readonly dst: string; readonly src: string };
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  readonly proto: 'tcp' | 'udp' | 'icmp';
  readonly sport: number;
  readonly dport: number;
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly icmp: { readonly type: number; readonly code: number; readonly rest: number } | undefined;
  /** After the transport or ICMP header. */
  readonly payload: Uint8Array;
  /** False: UDP that goes without a checksum. */
  readonly summed: boolean;
  /** Names of checksums that are wrong. */
  readonly bad: readonly string[];
}

export function parsePacket(frame: Uint8Array): Parsed {
  const mac = (at: number): string =>
    Buffer.from(frame.subarray(at, at + 6))
      .toString('hex')
      .replace(/..(?=.)/g, '$&:');
  return { macs: { dst: mac(0), src: mac(6) }, ...parseIp(frame.subarray(14)) };
}

export function parseIp(bytes: Uint8Array): Omit<Parsed, 'macs'> {
  const data = Buffer.from(bytes);
  const v6 = data.readUInt8(0) >> 4 === 6;
  const bad: string[] = [];
  const headerLength = v6 ? 40 : (data.readUInt8(0) & 15) * 4;
  if (!v6 && checksum(data.subarray(0, headerLength)) !== 0) bad.push('ip');
  const total = v6 ? 40 + data.readUInt16BE(4) : data.readUInt16BE(2);
  const src = v6 ? data.subarray(8, 24) : data.subarray(12, 16);
  const dst = v6 ? data.subarray(24, 40) : data.subarray(16, 20);
  const proto = data.readUInt8(v6 ? 6 : 9);
  const body = data.subarray(headerLength, total);
  const whole = body.length >= 8 && data.length >= total;
  const pseudo = proto === PROTO.icmp ? Buffer.alloc(0) : pseudoHeader(src, dst, proto, body.length);
  const noSum = proto === PROTO.udp && !v6 && body.readUInt16BE(6) === 0;
  if (whole && !noSum && checksum(Buffer.concat([pseudo, body])) !== 0) bad.push('transport');
  const common = { src: addressText(src), dst: addressText(dst), ttl: data.readUInt8(v6 ? 7 : 8), summed: !noSum, bad };
  const none = { sport: 0, dport: 0, flags: '', seq: 0, ack: 0, icmp: undefined };
  if (proto === PROTO.icmp || proto === PROTO.icmp6) {
    const icmp = { type: body.readUInt8(0), code: body.readUInt8(1), rest: body.readUInt32BE(4) };
    return { ...common, ...none, proto: 'icmp', icmp, payload: body.subarray(8) };
  }
  const ports = { sport: body.readUInt16BE(0), dport: body.readUInt16BE(2) };
  if (proto === PROTO.udp) return { ...common, ...none, ...ports, proto: 'udp', payload: body.subarray(8) };
  // An ICMP error may quote as little as the ports.
  if (body.length < 20) return { ...common, ...none, ...ports, proto: 'tcp', payload: body.subarray(8) };
  const bits = body.readUInt8(13);
  const flags = Object.keys(FLAG_BITS).filter((letter) => bits & (FLAG_BITS[letter] ?? 0));
  return {
    ...common,
    ...ports,
    proto: 'tcp',
    flags: flags.join(''),
    seq: body.readUInt32BE(4),
    ack: body.readUInt32BE(8),
    icmp: undefined,
    payload: body.subarray((body.readUInt8(12) >> 4) * 4),
  };
}

// --- internal ---

function protocolNumber(l4: PacketSpec['l4'], v6: boolean): number {
  if (l4.proto === 'raw') return l4.number;
  return l4.proto === 'icmp' && v6 ? PROTO.icmp6 : PROTO[l4.proto];
}

function l4Bytes(spec: PacketSpec, v6: boolean): Buffer {
  const { l4 } = spec;
  const src = addressBytes(spec.src);
  const dst = addressBytes(spec.dst);
  if (l4.proto === 'raw') return Buffer.from(l4.payload);
  if (l4.proto === 'icmp') {
    const bytes = Buffer.concat([Buffer.alloc(8), l4.payload]);
    bytes.writeUInt8(l4.type, 0);
    bytes.writeUInt8(l4.code, 1);
    bytes.writeUInt32BE(l4.rest ?? 0, 4);
    const pseudo = v6 ? pseudoHeader(src, dst, PROTO.icmp6, bytes.length) : Buffer.alloc(0);
    bytes.writeUInt16BE(checksum(Buffer.concat([pseudo, bytes])), 2);
    return bytes;
  }
  const payload = l4.payload ?? new Uint8Array();
  const optionBytes = 4 * (l4.options ?? 0);
  const bytes = Buffer.concat([Buffer.alloc(l4.proto === 'tcp' ? 20 : 8), Buffer.alloc(optionBytes, 1), payload]);
  bytes.writeUInt16BE(l4.sport, 0);
  bytes.writeUInt16BE(l4.dport, 2);
  if (l4.proto === 'tcp') {
    bytes.writeUInt32BE(l4.seq ?? 1000, 4);
    bytes.writeUInt32BE(l4.ack ?? 0, 8);
    bytes.writeUInt8(0x50 + (optionBytes << 2), 12);
    bytes.writeUInt8(
      Array.from(l4.flags ?? 'S').reduce((bits, letter) => bits | (FLAG_BITS[letter] ?? 0), 0),
      13,
    );
    bytes.writeUInt16BE(l4.window ?? 64240, 14);
  } else {
    bytes.writeUInt16BE(bytes.length, 4);
  }
  if (l4.noChecksum === true) return bytes;
  const sum = checksum(Buffer.concat([pseudoHeader(src, dst, PROTO[l4.proto], bytes.length), bytes]));
  bytes.writeUInt16BE(l4.proto === 'udp' && sum === 0 ? 0xffff : sum, l4.proto === 'tcp' ? 16 : 6);
  return bytes;
}

function pseudoHeader(src: Uint8Array, dst: Uint8Array, proto: number, length: number): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(length, 0);
  tail.writeUInt32BE(proto, 4);
  return Buffer.concat([src, dst, tail]);
}

/** RFC 1071; 0 over bytes that hold their own right checksum. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function addressBytes(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const words = [...left, ...(tail === undefined ? [] : middle), ...right];
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex');
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Buffer.from(bytes)
    .toString('hex')
    .replace(/....(?=.)/g, '$&:');
  return new SocketAddress({ address: groups, family: 'ipv6' }).address;
}
