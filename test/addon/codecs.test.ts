// SPDX-License-Identifier: Apache-2.0
// Rows written through the codecs into maps of the kernel and read back by bpftool: its printer walks the maps' BTF with
// somebody else's code, so it proves names, offsets and sizes; the raw bytes prove the rest.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Codec, StructTable } from '../../src/abi/codec.ts';
import { encodeBytes, LITTLE } from '../../src/abi/codec.ts';
import { MAPS } from '../../src/abi/maps.gen.ts';
import type { MapTable } from '../../src/abi/maps.gen.ts';
import { addon } from '../../src/kernel/addon.ts';
import type { NativeMap, NativeObject } from '../../src/kernel/native-types.ts';
import { TestObject } from '../support/bpf-object.ts';
import { run } from '../support/command.ts';
import { structValue, TABLES } from '../abi/arbitrary.ts';

/** What bpftool prints: numbers of the host's order, arrays, text, or an object by field names. */
type Printed = number | string | readonly Printed[] | { readonly [name: string]: Printed };

interface Row {
  readonly key: readonly string[];
  readonly value: readonly string[];
  readonly formatted: { readonly key: Printed; readonly value: Printed };
}

const SEED = 20261121;

/** Maps in which a row can be written and whose types have names: not arrays (all rows exist), not per CPU. */
const HASHES = Object.values<MapTable>(MAPS).filter(({ typeName, perCpu }) => typeName.endsWith('hash') && !perCpu);

describe('codecs in the kernel', () => {
  let object: NativeObject | undefined;

  beforeAll(async () => {
    using product = await TestObject.product('as-is');
    object = addon.openObject(product.path);
    for (const { name } of object.programs()) object.setAutoload(name, false);
    for (const { name, type } of object.maps()) if (type !== MAPS.drops.type) object.setMaxEntries(name, 16);
    object.load();
  });

  afterAll(() => {
    object?.close();
  });

  it.for(HASHES)('lie where bpftool finds them: $name', async ({ name, key, value }) => {
    if (object === undefined || key === undefined || value === undefined) throw new Error(`${name} has no codecs`);
    const map = object.map(name);
    try {
      const [keySample, valueSample] = [sample(key), sample(value)];
      const [keyBytes, valueBytes] = [encodeBytes(key, keySample), encodeBytes(value, valueSample)];
      map.update(keyBytes, valueBytes);
      const row = await dump(map);
      expect(fromHex(row.key)).toEqual(keyBytes);
      expect(fromHex(row.value)).toEqual(valueBytes);
      expectPrinted(row.formatted.key, key, keyBytes, keySample);
      expectPrinted(row.formatted.value, value, valueBytes, valueSample);
    } finally {
      map.close();
    }
  });
});

async function dump(map: NativeMap): Promise<Row> {
  const rows = JSON.parse(await run('bpftool', ['-j', 'map', 'dump', 'id', String(map.info().id)])) as Row[];
  const row = rows[0];
  if (row === undefined || rows.length !== 1) throw new Error(`bpftool shows ${rows.length} rows of one`);
  return row;
}

function sample(codec: Codec<unknown>): unknown {
  const table = TABLES[codec.name];
  const values = table === undefined ? fc.integer({ min: 1, max: 2 ** 32 - 1 }) : structValue(table, true);
  return fc.sample(values, { seed: SEED, numRuns: 1 })[0];
}

function expectPrinted(printed: Printed, codec: Codec<unknown>, bytes: Uint8Array, value: unknown): void {
  const table = TABLES[codec.name];
  if (table === undefined) expect(bytesOf(printed, codec.size)).toEqual(bytes);
  else expectFields(printed, table, bytes, value);
}

/** Each field's bytes, and its value where that is a number or text, are those that the printer has under its name. */
function expectFields(printed: Printed, table: StructTable, bytes: Uint8Array, value: unknown): void {
  const fields = printed as Readonly<Record<string, Printed>>;
  const values = value as Readonly<Record<string, unknown>>;
  for (const { name, property, offset, size, struct } of table.fields) {
    const found = fields[name];
    if (found === undefined) throw new Error(`bpftool shows no field ${name} in ${table.codec.name}`);
    const own = bytes.slice(offset, offset + size);
    const inner = struct === undefined ? undefined : TABLES[struct];
    if (inner !== undefined) {
      expectFields(found, inner, own, values[property]);
      continue;
    }
    expect([name, bytesOf(found, size)]).toEqual([name, own]);
    expectValue(name, found, size, values[property]);
  }
}

function expectValue(name: string, printed: Printed, size: number, value: unknown): void {
  if (typeof value === 'string' && typeof printed === 'string') expect([name, printed]).toEqual([name, value]);
  if ((typeof value !== 'number' && typeof value !== 'bigint') || typeof printed !== 'number') return;
  // The printer takes network order for host order.
  expect([name, [BigInt(printed), swapped(printed, size)]]).toEqual([name, expect.arrayContaining([BigInt(value)])]);
}

function bytesOf(printed: Printed, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  if (typeof printed === 'string') bytes.set(new TextEncoder().encode(printed));
  else if (typeof printed === 'number') writeHostOrder(bytes, BigInt(printed));
  else if (Array.isArray(printed)) {
    const each = size / printed.length;
    printed.forEach((element: Printed, i) => {
      bytes.set(bytesOf(element, each), i * each);
    });
  }
  return bytes;
}

function writeHostOrder(bytes: Uint8Array, value: bigint): void {
  const word = new Uint8Array(new BigUint64Array([value]).buffer);
  bytes.set(LITTLE ? word.slice(0, bytes.length) : word.slice(8 - bytes.length));
}

function swapped(value: number, size: number): bigint {
  const bytes = bytesOf(value, size).reverse();
  return bytes.reduce((sum, byte, i) => sum + (BigInt(byte) << BigInt(8 * (LITTLE ? i : size - 1 - i))), 0n);
}

function fromHex(bytes: readonly string[]): Uint8Array {
  return Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16));
}
