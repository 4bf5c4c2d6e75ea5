// SPDX-License-Identifier: Apache-2.0
// Every generated codec with random values made from its field table, in a buffer full of old bytes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FieldTable, StructTable } from '../../src/abi/codec.ts';
import { STRUCTS } from '../../src/abi/codecs.gen.ts';
import { ENUMS } from '../../src/abi/enums.gen.ts';
import { addressFromBytes } from '../../src/net/ip.ts';

const TABLES: Readonly<Record<string, StructTable>> = STRUCTS;
const ENUM_NAMES: Readonly<Record<string, Readonly<Record<number, string>>>> = ENUMS;
const GUARD = 8;

/** Element size of arrays: the tables give bytes only, all arrays in abi.h are of __u32. */
const ELEMENT = 4;

function unsigned(bytes: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: 2 ** (8 * bytes) - 1 });
}

function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

/** Text of any script that leaves room for the final zero. */
function text(size: number): fc.Arbitrary<string> {
  return fc
    .string({ unit: 'grapheme', maxLength: size - 1 })
    .filter((value) => !value.includes('\0') && Buffer.byteLength(value) < size);
}

function field(row: FieldTable): fc.Arbitrary<unknown> {
  switch (row.kind) {
    case 'number':
    case 'flags':
      return unsigned(row.size);
    case 'bigint':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'numbers':
      return fc.array(unsigned(ELEMENT), { minLength: row.size / ELEMENT, maxLength: row.size / ELEMENT });
    case 'bigints':
      return fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), {
        minLength: row.size / 8,
        maxLength: row.size / 8,
      });
    case 'address':
      return fc.oneof(bytesOf(row.size), mapped(row.size)).map(addressFromBytes);
    case 'mac':
      return bytesOf(6).map((bytes) =>
        Buffer.from(bytes)
          .toString('hex')
          .replaceAll(/..(?!$)/g, '$&:'),
      );
    case 'text':
      return text(row.size);
    case 'enum':
      return fc.constantFrom(...Object.keys(ENUM_NAMES[row.enum ?? ''] ?? {}).map(Number));
    case 'struct':
      return value(TABLES[row.struct ?? '']);
  }
}

function mapped(size: number): fc.Arbitrary<Uint8Array> {
  if (size === 4) return bytesOf(4);
  return bytesOf(4).map((bytes) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes));
}

function value(table: StructTable | undefined): fc.Arbitrary<unknown> {
  if (table === undefined) throw new Error('a field table names a struct that STRUCTS lacks');
  return fc.record(Object.fromEntries(table.fields.map((row) => [row.property, field(row)])));
}

/** Which bytes no field covers. */
function paddingOf({ codec, fields }: StructTable): number[] {
  const covered = new Set(fields.flatMap(({ offset, size }) => Array.from({ length: size }, (_, i) => offset + i)));
  return Array.from({ length: codec.size }, (_, i) => i).filter((i) => !covered.has(i));
}

describe('generated codecs', () => {
  it('are there for every struct', () => {
    expect(Object.keys(TABLES).length).toBeGreaterThan(20);
  });

  it.for(Object.entries(TABLES))('read what they wrote: struct %s', ([, table]) => {
    const { codec } = table;
    const padding = paddingOf(table);
    const property = fc.property(value(table), (written) => {
      const bytes = new Uint8Array(codec.size + 2 * GUARD).fill(0xa5);
      const view = new DataView(bytes.buffer);
      codec.encode(written, view, GUARD);
      expect(codec.decode(view, GUARD)).toEqual(written);
      expect(padding.filter((at) => bytes[GUARD + at] !== 0)).toEqual([]);
      const outside = [...bytes.subarray(0, GUARD), ...bytes.subarray(GUARD + codec.size)];
      expect(outside.every((byte) => byte === 0xa5)).toBe(true);
    });
    fc.assert(property, { numRuns: 200 });
  });
});
