// SPDX-License-Identifier: Apache-2.0
// What the generated codecs are made of: their type, range checks, text and MAC. Written by hand; knows no struct.
// Host order outside, the kernel's order inside; a number that does not fit is an error, because DataView would cut it.

import { endianness } from 'node:os';

export interface Codec<T> {
  /** As in C: `frontend_key`, `__u32`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Writes all `size` bytes from `offset` on, padding as zeros. */
  encode(value: T, view: DataView, offset: number): void;
  decode(view: DataView, offset: number): T;
}

/** How a field shows in a decoded value: `text` is a string, `numbers` an array, `bigint` has 64 bits. */
export type FieldKind =
  'number' | 'bigint' | 'numbers' | 'bigints' | 'address' | 'mac' | 'text' | 'enum' | 'flags' | 'struct';

export interface FieldTable {
  /** As in C. */
  readonly name: string;
  /** As in the decoded value. */
  readonly property: string;
  readonly offset: number;
  readonly size: number;
  readonly kind: FieldKind;
  /** Of integers; absent: not. */
  readonly signed?: true;
  /** Of kind enum and flags: a key of ENUMS. */
  readonly enum?: string;
  /** Of kind struct: a key of STRUCTS. */
  readonly struct?: string;
}

export interface StructTable<T = unknown> {
  readonly codec: Codec<T>;
  /** Without padding, in order. */
  readonly fields: readonly FieldTable[];
}

/** BPF runs in the host's order. */
export const LITTLE = endianness() === 'LE';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function u8(value: number, field: string): number {
  return (value & 0xff) === value ? value : outOfRange(value, field, 8);
}

export function u16(value: number, field: string): number {
  return (value & 0xffff) === value ? value : outOfRange(value, field, 16);
}

export function u32(value: number, field: string): number {
  return value >>> 0 === value ? value : outOfRange(value, field, 32);
}

export function u64(value: bigint, field: string): bigint {
  return value >= 0n && value <= 0xffff_ffff_ffff_ffffn ? value : outOfRange(value, field, 64);
}

export function s8(value: number, field: string): number {
  return (value << 24) >> 24 === value ? value : outOfRange(value, field, 8);
}

export function s16(value: number, field: string): number {
  return (value << 16) >> 16 === value ? value : outOfRange(value, field, 16);
}

export function s32(value: number, field: string): number {
  return (value | 0) === value ? value : outOfRange(value, field, 32);
}

export function s64(value: bigint, field: string): bigint {
  return BigInt.asIntN(64, value) === value ? value : outOfRange(value, field, 64);
}

/** An array of the field's own length, not less: a forgotten element is a wrong zero. */
export function sized<T>(values: readonly T[], length: number, field: string): readonly T[] {
  if (values.length !== length) throw new RangeError(`${field} has ${length} elements, not ${values.length}`);
  return values;
}

/** Zero-terminated UTF-8 in `size` bytes; the rest is zeros. */
export function writeText(text: string, view: DataView, offset: number, size: number, field: string): void {
  let at = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0) throw new RangeError(`${field} cannot hold ${JSON.stringify(text)}: it contains a zero character`);
    if (code > 0x7f) {
      writeUtf8(text, view, offset, size, field);
      return;
    }
    if (at >= size - 1) throw tooLong(text, text.length, size, field);
    view.setUint8(offset + at, code);
  }
  for (; at < size; at++) view.setUint8(offset + at, 0);
}

export function readText(view: DataView, offset: number, size: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, size);
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** `aa:bb:cc:dd:ee:ff`, either case. */
export function writeMac(mac: string, view: DataView, offset: number, field: string): void {
  if (!/^(?:[\da-f]{2}:){5}[\da-f]{2}$/i.test(mac)) {
    throw new RangeError(`${field} cannot hold ${JSON.stringify(mac)}: a MAC is six pairs of hexadecimal digits`);
  }
  for (let i = 0; i < 6; i++) view.setUint8(offset + i, Number.parseInt(mac.slice(3 * i, 3 * i + 2), 16));
}

export function readMac(view: DataView, offset: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, 6);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export const u32Codec: Codec<number> = {
  name: '__u32',
  size: 4,
  encode(value, view, offset) {
    view.setUint32(offset, u32(value, '__u32'), LITTLE);
  },
  decode(view, offset) {
    return view.getUint32(offset, LITTLE);
  },
};

export const u64Codec: Codec<bigint> = {
  name: '__u64',
  size: 8,
  encode(value, view, offset) {
    view.setBigUint64(offset, u64(value, '__u64'), LITTLE);
  },
  decode(view, offset) {
    return view.getBigUint64(offset, LITTLE);
  },
};

/** For one value; a loop takes a view of its own. */
export function encodeBytes<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.encode(value, new DataView(bytes.buffer), 0);
  return bytes;
}

export function decodeBytes<T>(codec: Codec<T>, bytes: Uint8Array): T {
  if (bytes.byteLength !== codec.size) {
    throw new RangeError(`${codec.name} has ${codec.size} bytes, not ${bytes.byteLength}`);
  }
  return codec.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

function writeUtf8(text: string, view: DataView, offset: number, size: number, field: string): void {
  if (text.includes('\0'))
    throw new RangeError(`${field} cannot hold ${JSON.stringify(text)}: it contains a zero character`);
  const encoded = encoder.encode(text);
  if (encoded.length >= size) throw tooLong(text, encoded.length, size, field);
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, size);
  bytes.set(encoded);
  bytes.fill(0, encoded.length);
}

function tooLong(text: string, bytes: number, size: number, field: string): RangeError {
  return new RangeError(`${field} cannot hold ${JSON.stringify(text)}: it has ${bytes} bytes, at most ${size - 1} fit`);
}

function outOfRange(value: number | bigint, field: string, bits: number): never {
  throw new RangeError(`${field} cannot hold ${value}: it has ${bits} bits`);
}
