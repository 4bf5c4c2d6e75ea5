// SPDX-License-Identifier: Apache-2.0
// Prefixes: from text to a canonical one, membership, and the addresses inside. Knows addresses and nothing else.
// An IPv4 prefix counts its own 32 bits, although its bytes are held in the 16-byte form.

import type { Address, Family } from './ip.ts';
import { addressBytes, addressFromBytes, family, isIPv4, parseAddress, parseAddressLenient } from './ip.ts';

export interface Prefix {
  readonly family: Family;
  /** The first address: all bits after the prefix are zero. */
  readonly address: Address;
  readonly bits: number;
  /** `address` in the 16-byte form. */
  readonly bytes: Uint8Array;
}

/** Strict: canonical address syntax, no leading zeros in the length, no bit set beyond it. Undefined: not a prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(text.slice(0, Math.max(slash, 0)));
  const length = text.slice(slash + 1);
  if (address === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefix = toPrefix(address, Number(length));
  return prefix?.address === address ? prefix : undefined;
}

/** As kube-proxy reads objects (Go's ParseCIDRSloppy, padding trimmed): zeros in front and surplus bits are harmless. */
export function parsePrefixLenient(text: string): Prefix | undefined {
  const trimmed = text.trim();
  const slash = trimmed.indexOf('/');
  const address = parseAddressLenient(trimmed.slice(0, Math.max(slash, 0)));
  const length = trimmed.slice(slash + 1);
  if (address === undefined || !/^\d{1,9}$/.test(length)) return undefined;
  return toPrefix(address, Number(length));
}

/** The prefix of this length around an address; undefined when the length does not fit the family. */
export function toPrefix(address: Address, bits: number): Prefix | undefined {
  const of = family(address);
  if (bits < 0 || bits > width(of)) return undefined;
  const bytes = addressBytes(address);
  const kept = bits + 128 - width(of);
  for (let i = 0; i < 16; i++) bytes[i] = (bytes[i] ?? 0) & byteMask(kept, i);
  return { family: of, address: addressFromBytes(bytes), bits, bytes };
}

export function prefixText(prefix: Prefix): string {
  return `${prefix.address}/${prefix.bits}`;
}

export function contains(prefix: Prefix, address: Address): boolean {
  return isIPv4(address) === (prefix.family === 4) && containsBytes(prefix, addressBytes(address));
}

/** The same for an address of the prefix's family by its 16 bytes: cheaper where many prefixes are asked. */
export function containsBytes(prefix: Prefix, bytes: Uint8Array): boolean {
  const kept = prefix.bits + 128 - width(prefix.family);
  for (let i = 0; i < 16; i++) {
    if (((bytes[i] ?? 0) & byteMask(kept, i)) !== prefix.bytes[i]) return false;
  }
  return true;
}

/** Whether all addresses of inner are in outer; of one family, both. */
export function includes(outer: Prefix, inner: Prefix): boolean {
  return outer.bits <= inner.bits && containsBytes(outer, inner.bytes);
}

/** Of one family, both. */
export function overlap(a: Prefix, b: Prefix): boolean {
  return includes(a, b) || includes(b, a);
}

/** The prefix's length as an address: 255.255.0.0, ffff:ffff::. */
export function prefixMask({ family: of, bits }: Prefix): Address {
  const bytes = new Uint8Array(width(of) / 8).fill(0xff);
  return addressFromBytes(bytes.map((_, i) => byteMask(bits, i)));
}

/** How many addresses there are; 2^53 and more are not exact. */
export function prefixSize(prefix: Prefix): number {
  return 2 ** (width(prefix.family) - prefix.bits);
}

/** The address `index` after the first; throws when that is outside. */
export function addressAt(prefix: Prefix, index: number): Address {
  if (!Number.isSafeInteger(index) || index < 0 || index >= prefixSize(prefix)) {
    throw new RangeError(`${prefixText(prefix)} has no address number ${index}`);
  }
  const bytes = prefix.bytes.slice();
  let carry = index;
  for (let i = 15; carry > 0 && i >= 0; i--) {
    carry += bytes[i] ?? 0;
    bytes[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return addressFromBytes(bytes);
}

function width(of: Family): number {
  return of === 4 ? 32 : 128;
}

/** The bits of byte `index` that lie within the first `kept` bits. */
function byteMask(kept: number, index: number): number {
  const inside = Math.min(8, Math.max(0, kept - index * 8));
  return (0xff00 >> inside) & 0xff;
}
