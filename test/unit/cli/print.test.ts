// SPDX-License-Identifier: Apache-2.0
// What results look like: columns, cells, JSON and YAML.

import { describe, expect, it } from 'vitest';
import { writeDumps } from '../../../src/cli/commands/maps-dump.ts';
import { cellTable } from '../../../src/cli/print/cells.ts';
import { print, toJson } from '../../../src/cli/print/document.ts';
import type { Format } from '../../../src/cli/print/document.ts';
import { formatTable } from '../../../src/cli/print/table.ts';
import { address } from '../observe/made-up.ts';

describe('formatTable', () => {
  it('makes columns as wide as their widest cell, numbers to the right, nothing at the end of lines', () => {
    const columns = [{ header: 'NAME' }, { header: 'PACKETS', align: 'right' }, { header: 'NOTE' }] as const;
    expect(
      formatTable(columns, [
        ['a', '5', 'x'],
        ['longer', '12345678', ''],
      ]),
    ).toEqual(['NAME     PACKETS  NOTE', 'a              5  x', 'longer  12345678']);
  });

  it('does not count colours', () => {
    const rows = [
      ['\u001b[32mok\u001b[39m', 'x'],
      ['missing', 'y'],
    ];
    expect(formatTable([{ header: '' }, { header: '' }], rows, false)).toEqual([
      '\u001b[32mok\u001b[39m       x',
      'missing  y',
    ]);
  });
});

describe('cellTable', () => {
  it('writes endpoints, names with ids, lists and what is missing', () => {
    const row = {
      frontend: { address: address('2001:db8::1'), port: 80 },
      service: { id: 3, name: 'default/web:http' },
      backend: { id: 9, address: null, port: null },
      flags: ['reply', 'snat'],
      state: [],
      nextHop: null,
      firstSlot: 16,
    };
    expect(cellTable([row])).toEqual([
      'FRONTEND          SERVICE              BACKEND  FLAGS       STATE  NEXT HOP  FIRST SLOT',
      '[2001:db8::1]:80  default/web:http #3  #9       reply,snat  -      -                 16',
    ]);
  });

  it('aligns a column of numbers to the right where some are missing', () => {
    expect(cellTable([{ slots: null }, { slots: 12_345 }])).toEqual(['SLOTS', '    -', '12345']);
  });

  it('writes nothing where there are no rows', () => {
    expect(cellTable([])).toEqual([]);
  });
});

describe('writeDumps', () => {
  it.each(['table', 'json'] as const)('writes the rows of a map as %s in few pieces', async (format) => {
    const rows = Array.from({ length: 50_000 }, (_, id) => ({ id }));
    const pieces: string[] = [];
    const write = (piece: string): void => void pieces.push(piece);
    await writeDumps('f', [['m', rows]], { format, table: cellTable, write });
    const numbers = pieces.join('').match(/\d+/g) ?? [];
    expect(numbers.map(Number)).toEqual(rows.map(({ id }) => id));
    expect(pieces.length).toBeLessThan(20);
  });
});

describe('print', () => {
  const result = { table: () => ['a  b'], data: () => ({ list: [1n, 'x'], none: null }) };

  async function printed(format: Format): Promise<string> {
    let text = '';
    await print(format, result, (piece) => {
      text += piece;
    });
    return text;
  }

  it('writes the same data as JSON and as YAML, and lines as a table', async () => {
    expect(JSON.parse(await printed('json'))).toEqual({ list: [1, 'x'], none: null });
    expect(await printed('yaml')).toBe('list:\n  - 1\n  - x\nnone: null\n');
    expect(await printed('table')).toBe('a  b\n');
  });

  it('writes many lines in few pieces, none lost', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
    const pieces: string[] = [];
    await print('table', { ...result, table: () => lines }, (piece) => pieces.push(piece));
    expect(pieces.join('')).toBe(`${lines.join('\n')}\n`);
    expect(pieces.length).toBeLessThan(20);
  });

  it('writes counters beyond 2^53 as digits in text, so that none is cut', () => {
    expect(toJson({ ok: 9_007_199_254_740_991n, big: 9_007_199_254_740_993n })).toBe(
      '{"ok":9007199254740991,"big":"9007199254740993"}',
    );
  });
});
