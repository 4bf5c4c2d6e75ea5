// SPDX-License-Identifier: Apache-2.0
// Every generated codec with random values made from its field table, in a buffer full of old bytes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StructTable } from '../../src/abi/codec.ts';
import { structValue, TABLES } from './arbitrary.ts';

const GUARD = 8;

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
    const property = fc.property(structValue(table), (written) => {
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
