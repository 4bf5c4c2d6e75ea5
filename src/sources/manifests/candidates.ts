// SPDX-License-Identifier: Apache-2.0
// In which order free addresses and node ports are tried for a Service: from a place given by the hash of its name, so
// that the outcome hardly depends on who else is there. Pure.

import { hash } from 'node:crypto';
import type { Address } from '../../net/ip.ts';
import type { Prefix } from '../../net/prefix.ts';
import { addressAt, prefixSize } from '../../net/prefix.ts';
import type { PortRange } from './port-range.ts';

/** Kubernetes hands out the low end of both ranges last, so that people can write addresses from there by hand. */
const STATIC_ADDRESSES = { least: 16, share: 16, most: 256 };
const STATIC_PORTS = { least: 16, share: 32, most: 128 };

/** Of a large IPv6 prefix, the part in which addresses are looked for. */
const MOST_ADDRESSES = 2 ** 32;

/** Without the first address, and for IPv4 without the last: they are the network's own. */
export function* addressCandidates(prefix: Prefix, name: string): Generator<Address> {
  const count = Math.min(prefixSize(prefix) - (prefix.family === 4 ? 2 : 1), MOST_ADDRESSES);
  for (const index of indices(count, STATIC_ADDRESSES, name)) yield addressAt(prefix, index + 1);
}

export function* portCandidates(range: PortRange, name: string): Generator<number> {
  const count = range.last - range.first + 1;
  for (const index of indices(count, STATIC_PORTS, name)) yield range.first + index;
}

function* indices(count: number, kept: typeof STATIC_PORTS, name: string): Generator<number> {
  const low = count < kept.least ? 0 : Math.min(Math.max(kept.least, Math.floor(count / kept.share)), kept.most, count);
  const high = count - low;
  const start = seed(name);
  for (let i = 0; i < high; i++) yield low + ((start + i) % high);
  for (let i = 0; i < low; i++) yield (start + i) % low;
}

/** 48 bits: exact in a number, also after a few additions. */
function seed(name: string): number {
  return Number.parseInt(hash('sha256', name).slice(0, 12), 16);
}
