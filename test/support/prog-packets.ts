// SPDX-License-Identifier: Apache-2.0
// Short words for packet tables: who sends what to whom, and what is expected to come out, byte for byte. Out packets are
// made by the builder, so that every checksum in them is right by construction.

import { expect } from 'vitest';
import type { L4, PacketSpec } from './packet.ts';
import { ipPacket, MAC, packet, parsePacket } from './packet.ts';
import type { End, Outcome, Verdict } from './prog-bench.ts';

export type { End };

export type Transport = 'tcp' | 'udp';

/** Of the transport header, and of the IP header. */
export interface More {
  readonly l4?: Partial<L4>;
  readonly ip?: Partial<Omit<PacketSpec, 'src' | 'dst' | 'l4'>>;
}

export const SWAPPED_MACS = { dst: MAC.src, src: MAC.dst };

export function end(addr: string, port: number): End {
  return { addr, port };
}

/** TCP: a SYN unless flags are given. Odd payloads make checksums work harder. */
export function transport(proto: Transport, from: End, to: End, { l4, ip }: More = {}): PacketSpec {
  const ports = { proto, sport: from.port, dport: to.port } as const;
  const payload = proto === 'udp' ? { payload: Buffer.from('odd') } : {};
  return { src: from.addr, dst: to.addr, ...ip, l4: { ...ports, ...payload, ...l4 } };
}

export function segment(flags: string, from: End, to: End, more: More = {}): PacketSpec {
  return transport('tcp', from, to, { ...more, l4: { flags, ...more.l4 } });
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Fields first: they say more than bytes where they differ. */
export function expectPacket({ verdict, frame }: Outcome, wanted: Verdict, out: PacketSpec): void {
  const expected = packet(out);
  expect({ verdict, ...parsePacket(frame) }).toEqual({ verdict: wanted, ...parsePacket(expected), bad: [] });
  expect(text(frame)).toBe(text(expected));
}

/** How an ICMP error quotes a packet: the IP header and this many bytes of what follows; all without a number. */
export function quote(spec: PacketSpec, transportBytes?: number): Uint8Array {
  const bytes = ipPacket(spec);
  if (transportBytes === undefined) return bytes;
  const header = spec.dst.includes(':') ? 40 : 20 + 4 * (spec.options ?? 0);
  return bytes.subarray(0, header + transportBytes);
}

export type IcmpError = 'port-unreachable' | 'host-unreachable' | 'too-big' | 'time-exceeded' | 'parameter-problem';

const ERRORS: Readonly<Record<IcmpError, Readonly<Record<4 | 6, readonly [type: number, code: number]>>>> = {
  'port-unreachable': { 4: [3, 3], 6: [1, 4] },
  'host-unreachable': { 4: [3, 1], 6: [1, 3] },
  'too-big': { 4: [3, 4], 6: [2, 0] },
  'time-exceeded': { 4: [11, 0], 6: [3, 0] },
  'parameter-problem': { 4: [12, 0], 6: [4, 0] },
};

export function icmpError(
  kind: IcmpError,
  src: string,
  dst: string,
  payload: Uint8Array,
  more: Partial<PacketSpec> & { readonly rest?: number } = {},
): PacketSpec {
  const [type, code] = ERRORS[kind][dst.includes(':') ? 6 : 4];
  const { rest = 0, ...ip } = more;
  return { src, dst, ...ip, l4: { proto: 'icmp', type, code, rest, payload } };
}

/** Answers are made from nothing: no identification, a fresh TTL. */
export function answered(spec: PacketSpec): PacketSpec {
  return { ...spec, id: 0, ttl: 64, macs: SWAPPED_MACS };
}
