// SPDX-License-Identifier: Apache-2.0
// The pieces of a text one after the other, each by the hash of its text, and checked unless that is known to be good.
// Keeps nothing, so that it can run on another process than those who keep.

import { hash } from 'node:crypto';
import type { ObjectReader } from './objects.ts';
import { isMapping } from './objects.ts';
import type { PieceResult } from './parse.ts';
import { checkValues, parsePiece, withHead } from './parse.ts';
import type { Piece } from './pieces.ts';
import { cutPieces } from './pieces.ts';

export interface ReadPiece {
  readonly key: string;
  /** In the file, from 1. */
  readonly line: number;
  /** Undefined: the one that is known by this key. */
  readonly result: PieceResult | undefined;
  /** This is the meaning of the whole text, and all pieces before are void. */
  readonly whole: boolean;
}

/** Keys of results without problems. */
export type KnownKeys = Pick<ReadonlySet<string>, 'has'>;

/** Yields where it may be interrupted. */
export function readPieces(text: string, reader: ObjectReader, known: KnownKeys): Generator<ReadPiece, void> {
  const value = parseJson(text);
  if (value === undefined) return readYaml(text.replace(/^\uFEFF/, ''), reader, known);
  return readJson(value, text, reader, known);
}

function* readYaml(text: string, reader: ObjectReader, known: KnownKeys): Generator<ReadPiece, void> {
  let cutBroke = false;
  for (const piece of cutPieces(text)) {
    const key = keyOf(piece);
    const result = known.has(key) ? undefined : parsePiece(piece, reader);
    cutBroke ||= piece.head !== undefined && result?.broken === true;
    yield { key, line: piece.line, result, whole: false };
  }
  if (cutBroke) {
    // Text that is only YAML as a whole, if at all: the parser of the whole has the last word.
    const piece: Piece = { text, line: 1 };
    yield { key: keyOf(piece), line: 1, result: parsePiece(piece, reader), whole: true };
  }
}

function* readJson(value: unknown, text: string, reader: ObjectReader, known: KnownKeys): Generator<ReadPiece, void> {
  let sound = true;
  for (const item of listItems(value)) {
    const key = hash('sha256', JSON.stringify(item), 'base64');
    const result = known.has(key) ? undefined : checkValues([item], reader);
    sound &&= result === undefined || result.problems.length === 0;
    yield { key, line: 1, result, whole: false };
  }
  if (!sound) {
    // The items were checked without their text; who is to be told of a problem needs its place.
    yield { key: keyOf({ text }), line: 1, result: checkValues([value], reader, text), whole: true };
  }
}

function keyOf({ head, text }: Pick<Piece, 'head' | 'text'>): string {
  return hash('sha256', `${head === undefined ? '' : JSON.stringify(head)}\n${text}`, 'base64');
}

/** JSON is YAML, but its own parser is ten times as fast. What it does not take, YAML may. */
function parseJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The items of a list, each with what the list says of it; or the value itself. */
function listItems(value: unknown): readonly unknown[] {
  if (!isMapping(value)) return [value];
  const { kind, apiVersion, items } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [value];
  return items.map((item: unknown) => withHead(item, { kind, apiVersion }));
}
