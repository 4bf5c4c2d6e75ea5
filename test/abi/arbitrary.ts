// SPDX-License-Identifier: Apache-2.0
// Random values of any generated struct, made from its field table.

import fc from 'fast-check';
import type { FieldTable, StructTable } from '../../src/abi/codec.ts';
import { STRUCTS } from '../../src/abi/codecs.gen.ts';
import { ENUMS } from '../../src/abi/enums.gen.ts';
import { addressFromBytes } from '../../src/net/ip.ts';

export const TABLES: Readonly<Record<string, StructTable>> = STRUCTS;
const ENUM_NAMES: Readonly<Record<string, Readonly<Record<number, string>>>> = ENUMS;

/** Element size of arrays: the tables give bytes only, all arrays in abi.h are of __u32. */
const ELEMENT = 4;

function unsigned(bytes: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: 2 ** (8 * bytes) - 1 });
}

function wide(plain: boolean): fc.Arbitrary<bigint> {
  return fc.bigInt({ min: 0n, max: 2n ** (plain ? 53n : 64n) - 1n });
}

function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

/** Text of any script that leaves room for the final zero. */
function text(size: number, plain: boolean): fc.Arbitrary<string> {
  return fc
    .string({ unit: plain ? 'grapheme-ascii' : 'grapheme', maxLength: size - 1 })
    .filter((value) => !value.includes('\0') && Buffer.byteLength(value) < size);
}

function field(row: FieldTable, plain: boolean): fc.Arbitrary<unknown> {
  switch (row.kind) {
    case 'number':
    case 'flags':
      return unsigned(row.size);
    case 'bigint':
      return wide(plain).map((value) => (row.signed === true ? BigInt.asIntN(64, value) : value));
    case 'numbers':
      return fc.array(unsigned(ELEMENT), { minLength: row.size / ELEMENT, maxLength: row.size / ELEMENT });
    case 'bigints':
      return fc.array(wide(plain), {
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
      return text(row.size, plain);
    case 'enum':
      return fc.constantFrom(...Object.keys(ENUM_NAMES[row.enum ?? ''] ?? {}).map(Number));
    case 'struct':
      return structValue(TABLES[row.struct ?? ''], plain);
  }
}

function mapped(size: number): fc.Arbitrary<Uint8Array> {
  if (size === 4) return bytesOf(4);
  return bytesOf(4).map((bytes) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes));
}

/** `plain`: only what survives JSON as other tools write it, ASCII and integers of 53 bits. */
export function structValue(table: StructTable | undefined, plain = false): fc.Arbitrary<unknown> {
  if (table === undefined) throw new Error('a field table names a struct that STRUCTS lacks');
  return fc.record(Object.fromEntries(table.fields.map((row) => [row.property, field(row, plain)])));
}
