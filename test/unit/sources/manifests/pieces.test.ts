// SPDX-License-Identifier: Apache-2.0
// Cutting changes nothing: the pieces mean together what the whole text means.

import fc from 'fast-check';
import { loadAll } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { cutPieces } from '../../../../src/sources/manifests/pieces.ts';

/** Texts with what the cutter looks for, so that YAML has to write them in quotes or as blocks. */
const word = fc.constantFrom('a', 'items:', '- b', '---', '...', '# c', '%d', 'kind: List', '{', "it's", '', ' ');
const line = fc.array(word, { maxLength: 3 }).map((words) => words.join(' '));
const text = fc.array(line, { maxLength: 4 }).map((lines) => lines.join('\n'));
const value = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, text, fc.integer(), fc.boolean(), tie('list'), tie('mapping')),
  list: fc.array(tie('any'), { maxLength: 3 }),
  mapping: fc.dictionary(fc.constantFrom('kind', 'items', 'spec', 'data'), tie('any'), { maxKeys: 3 }),
})).mapping;
const list = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('List'),
  items: fc.array(value, { minLength: 1, maxLength: 4 }),
  metadata: value,
});
const style = fc.record({
  indentSeq: fc.boolean(),
  lineWidth: fc.constantFrom(0, 20, 80),
  blockQuote: fc.constantFrom(true, 'folded', 'literal') as fc.Arbitrary<true | 'folded' | 'literal'>,
});

function whole(pieces: readonly { text: string; head?: unknown }[]): unknown[] {
  const documents: unknown[] = [];
  for (const piece of pieces) {
    if (piece.head === undefined) {
      documents.push(...loadAll(piece.text));
      continue;
    }
    const last = documents.at(-1) as { items: unknown[] | null };
    last.items = [...(last.items ?? []), ...(loadAll(piece.text)[0] as unknown[])];
  }
  return documents;
}

describe('cutPieces', () => {
  it('means what the whole text means', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(list, value), { minLength: 1, maxLength: 4 }), style, (objects, how) => {
        const written = objects.map((object) => stringify(object, how)).join('---\n');
        expect(whole(cutPieces(written))).toEqual(loadAll(written));
      }),
      { numRuns: 500 },
    );
  });

  it('knows the line of each piece', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(list, value), { minLength: 1, maxLength: 4 }), style, (objects, how) => {
        const written = objects.map((object) => stringify(object, how)).join('---\n');
        const lines = written.split('\n');
        for (const piece of cutPieces(written)) expect(lines[piece.line - 1]).toBe(piece.text.split('\n')[0]);
      }),
    );
  });

  it('makes one piece of each item', () => {
    const items = Array.from({ length: 5 }, (_, i) => ({ kind: 'Service', metadata: { name: `s${i}` } }));
    const pieces = cutPieces(stringify({ apiVersion: 'v1', kind: 'List', items }));
    const head = { apiVersion: 'v1', kind: 'List' };
    expect(pieces.map((piece) => piece.head)).toEqual([undefined, ...items.map(() => head)]);
  });
});
