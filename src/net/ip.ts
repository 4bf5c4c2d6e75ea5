// SPDX-License-Identifier: Apache-2.0
// Addresses: from text to one canonical text, and from there to bytes and back. It knows no Service and no prefix.
// A canonical address is dotted decimal, or RFC 5952; an IPv4 address has no second spelling, so v4-mapped IPv6 exists
// as bytes only. Everything that takes an Address trusts it and reads it without checking: the maps hold many thousands.

import { isIP } from 'node:net';

declare const canonical: unique symbol;

/** A canonical address; only this file makes one. */
export type Address = string & { readonly [canonical]: never };

export type Family = 4 | 6;

export const UNSPECIFIED: Readonly<Record<Family, Address>> = { 4: '0.0.0.0' as Address, 6: '::' as Address };

/** Four 32-bit words of the 16-byte form. Filled and read within one call, never across calls. */
const words = new Uint32Array(4);
const otherWords = new Uint32Array(4);

const MAPPED = 0xffff;

const CHAR_0 = 48;
const CHAR_9 = 57;
const CHAR_A = 97;
const CHAR_COLON = 58;
const CHAR_DOT = 46;

/**
 * The address that a text spells, strictly: no leading zeros in IPv4, no zone, no v4-mapped IPv6. Undefined: none.
 */
export function parseAddress(text: string): Address | undefined {
  switch (isIP(text)) {
    case 4:
      return text as Address;
    case 6:
      if (text.includes('%')) return undefined;
      parse6(text.toLowerCase(), words);
      return isMapped(words) ? undefined : format(words);
    default:
      return undefined;
  }
}

/**
 * As kube-proxy reads objects that an older API server let in (Go's ParseIPSloppy): leading zeros are decimal, and
 * v4-mapped IPv6 is the IPv4 address.
 */
export function parseAddressLenient(text: string): Address | undefined {
  const plain = text.replace(/(^|[.:])0+(?=\d+(?:\.|$))/g, '$1');
  const kind = isIP(plain);
  if (kind === 4) return plain as Address;
  if (kind === 0 || plain.includes('%')) return undefined;
  parse6(plain.toLowerCase(), words);
  return format(words);
}

export function isIPv4(address: Address): boolean {
  return !address.includes(':');
}

export function family(address: Address): Family {
  return address.includes(':') ? 6 : 4;
}

/** Network order, IPv4 in v4-mapped form. */
export function writeAddress16(address: Address, view: DataView, offset: number): void {
  parse(address, words);
  view.setUint32(offset, word(words, 0));
  view.setUint32(offset + 4, word(words, 1));
  view.setUint32(offset + 8, word(words, 2));
  view.setUint32(offset + 12, word(words, 3));
}

export function readAddress16(view: DataView, offset: number): Address {
  words[0] = view.getUint32(offset);
  words[1] = view.getUint32(offset + 4);
  words[2] = view.getUint32(offset + 8);
  words[3] = view.getUint32(offset + 12);
  return format(words);
}

/** Network order; IPv4 only. */
export function writeAddress4(address: Address, view: DataView, offset: number): void {
  if (!isIPv4(address)) throw new RangeError(`${address} does not fit in 4 bytes: it is an IPv6 address`);
  view.setUint32(offset, parse4(address, 0));
}

export function readAddress4(view: DataView, offset: number): Address {
  return format4(view.getUint32(offset));
}

/** The 16-byte form, network order. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(16);
  writeAddress16(address, new DataView(bytes.buffer), 0);
  return bytes;
}

export function addressFromBytes(bytes: Uint8Array): Address {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength === 4) return readAddress4(view, 0);
  if (bytes.byteLength === 16) return readAddress16(view, 0);
  throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.byteLength}`);
}

/** Order of the 16-byte forms, the same on every node. */
export function compareAddress(a: Address, b: Address): number {
  if (a === b) return 0;
  parse(a, words);
  parse(b, otherWords);
  for (let i = 0; i < 4; i++) {
    const difference = word(words, i) - word(otherWords, i);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return 0;
}

function isMapped(from: Uint32Array): boolean {
  return from[0] === 0 && from[1] === 0 && from[2] === MAPPED;
}

function word(from: Uint32Array, index: number): number {
  return from[index] ?? 0;
}

function parse(address: Address, to: Uint32Array): void {
  if (address.includes(':')) {
    parse6(address, to);
    return;
  }
  to[0] = 0;
  to[1] = 0;
  to[2] = MAPPED;
  to[3] = parse4(address, 0);
}

/** Dotted decimal from `start` to the end. */
function parse4(text: string, start: number): number {
  let value = 0;
  let octet = 0;
  for (let i = start; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === CHAR_DOT) {
      value = (value << 8) | octet;
      octet = 0;
    } else {
      octet = octet * 10 + (char - CHAR_0);
    }
  }
  return ((value << 8) | octet) >>> 0;
}

/** Lower-case IPv6 that isIP has accepted. */
function parse6(text: string, to: Uint32Array): void {
  to.fill(0);
  let group = 0;
  let gap = -1;
  let value = 0;
  let digits = 0;
  let groupStart = 0;
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const char = text.charCodeAt(i);
    if (char === CHAR_COLON) {
      if (digits > 0) putGroup(to, group++, value);
      if (i > 0 && text.charCodeAt(i - 1) === CHAR_COLON) gap = group;
      value = 0;
      digits = 0;
      groupStart = i + 1;
    } else if (char === CHAR_DOT) {
      const tail = parse4(text, groupStart);
      putGroup(to, group++, tail >>> 16);
      value = tail & 0xffff;
      digits = 1;
      break;
    } else {
      value = (value << 4) | (char <= CHAR_9 ? char - CHAR_0 : char - CHAR_A + 10);
      digits++;
    }
  }
  if (digits > 0) putGroup(to, group++, value);
  if (gap >= 0) spread(to, gap, group);
}

/** Moves the groups that follow `::` to the end. */
function spread(to: Uint32Array, gap: number, count: number): void {
  for (let from = count - 1, target = 7; from >= gap && from !== target; from--, target--) {
    putGroup(to, target, getGroup(to, from));
    putGroup(to, from, 0);
  }
}

function getGroup(from: Uint32Array, index: number): number {
  const pair = word(from, index >> 1);
  return index & 1 ? pair & 0xffff : pair >>> 16;
}

function putGroup(to: Uint32Array, index: number, value: number): void {
  const pair = word(to, index >> 1);
  to[index >> 1] = index & 1 ? (pair & 0xffff0000) | value : (pair & 0xffff) | (value << 16);
}

function format(from: Uint32Array): Address {
  return isMapped(from) ? format4(word(from, 3)) : format6(from);
}

function format4(value: number): Address {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Address;
}

/** RFC 5952: lower case, the first longest run of at least two zero groups is `::`. */
function format6(from: Uint32Array): Address {
  let gap = -1;
  let gapLength = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && getGroup(from, i + run) === 0) run++;
    if (run > gapLength) {
      gap = i;
      gapLength = run;
    }
    if (run > 0) i += run - 1;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === gap) {
      text += '::';
      i += gapLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += getGroup(from, i).toString(16);
  }
  return text as Address;
}
