// SPDX-License-Identifier: Apache-2.0
// From the text of a file to its objects and problems, reusing what was found in the same pieces of text last time.
// It stops between pieces, so that a large file does not hold up the event loop.

import { hash } from 'node:crypto';
import type { ManifestObject, ObjectReader } from './objects.ts';
import { isMapping } from './objects.ts';
import type { PieceResult } from './parse.ts';
import { checkValues, parsePiece, withHead } from './parse.ts';
import type { ListHead, Piece } from './pieces.ts';
import { cutPieces } from './pieces.ts';
import type { Problem } from './problem.ts';

export interface PlacedObject {
  readonly object: ManifestObject;
  /** In its file, from 1. */
  readonly line: number;
}

export interface LoadedFile {
  readonly objects: readonly PlacedObject[];
  readonly problems: readonly Problem[];
  /** `apiVersion kind` of objects that are none of bpfsvc's business. */
  readonly skipped: ReadonlySet<string>;
  /** To be handed to the next load of the same file: by hash of the text of a piece. */
  readonly pieces: ReadonlyMap<string, PieceResult>;
}

/** Yields where it may be interrupted. */
export function* loadText(
  text: string,
  file: string,
  reader: ObjectReader,
  known: LoadedFile['pieces'] = new Map(),
): Generator<void, LoadedFile> {
  const loading = new Loading(file, reader, known);
  const json = parseJson(text);
  if (json !== undefined) yield* loading.addJson(json, text);
  else yield* loading.addYaml(text.replace(/^\uFEFF/, ''));
  return loading;
}

class Loading implements LoadedFile {
  readonly objects: PlacedObject[] = [];
  readonly problems: Problem[] = [];
  readonly skipped = new Set<string>();
  readonly pieces = new Map<string, PieceResult>();

  readonly #file: string;
  readonly #reader: ObjectReader;
  readonly #known: LoadedFile['pieces'];

  constructor(file: string, reader: ObjectReader, known: LoadedFile['pieces']) {
    this.#file = file;
    this.#reader = reader;
    this.#known = known;
  }

  *addYaml(text: string): Generator<void> {
    let head: ListHead | undefined;
    let cutBroke = false;
    for (const piece of cutPieces(text)) {
      const result = this.#parse(piece, piece.form === 'items' ? head : undefined);
      if (piece.form === 'documents') head = result.head;
      else cutBroke ||= result.broken;
      this.#place(result, piece.line);
      yield;
    }
    // Text that is only YAML as a whole, if at all: the parser of the whole has the last word.
    if (cutBroke) {
      this.objects.length = 0;
      this.problems.length = 0;
      this.#place(this.#parse({ text, line: 1, form: 'documents' }), 1);
    }
  }

  *addJson(value: unknown, text: string): Generator<void> {
    const items = listItems(value);
    let sound = true;
    for (const item of items) {
      const key = hash('sha256', JSON.stringify(item), 'base64');
      const result = this.#known.get(key) ?? checkValues([item], this.#reader, '');
      this.pieces.set(key, result);
      this.#place(result, 1);
      sound &&= result.problems.length === 0;
      yield;
    }
    if (sound) return;
    this.problems.length = 0;
    this.problems.push(...this.#problemsOf(checkValues([value], this.#reader, text), 1));
  }

  #parse(piece: Piece, head?: ListHead): PieceResult {
    const key = hash('sha256', `${head === undefined ? '' : JSON.stringify(head)}\n${piece.text}`, 'base64');
    let result = this.#known.get(key) ?? this.pieces.get(key);
    // A copy of the text: parts of it live on in the objects, and would keep the text of the whole file alive.
    result ??= parsePiece({ ...piece, text: Buffer.from(piece.text).toString() }, this.#reader, head);
    this.pieces.set(key, result);
    return result;
  }

  #place(result: PieceResult, line: number): void {
    for (const object of result.objects) this.objects.push({ object, line: line + result.line - 1 });
    for (const skipped of result.skipped) this.skipped.add(skipped);
    this.problems.push(...this.#problemsOf(result, line));
  }

  #problemsOf(result: PieceResult, line: number): Problem[] {
    return result.problems.map((problem) => ({
      file: this.#file,
      ...problem,
      ...(problem.line !== undefined && { line: problem.line + line - 1 }),
    }));
  }
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
