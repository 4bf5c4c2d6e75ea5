// SPDX-License-Identifier: Apache-2.0
// A file's pieces put together: its objects, its problems, and what makes the next reading of it cheaper.

import type { ManifestObject, ObjectReader } from './objects.ts';
import { Compactor } from './compact.ts';
import type { PieceResult } from './parse.ts';
import type { Problem } from './problem.ts';
import type { ReadPiece } from './read-pieces.ts';
import { readPieces } from './read-pieces.ts';

export interface PlacedObject {
  readonly object: ManifestObject;
  /** In its file, from 1. */
  readonly line: number;
}

/** Results by the keys of their pieces, to be handed to the next reading of the same file. */
export type KnownPieces = ReadonlyMap<string, PieceResult>;

export interface LoadedFile {
  readonly objects: readonly PlacedObject[];
  readonly problems: readonly Problem[];
  /** `apiVersion kind` of objects that are none of bpfsvc's business. */
  readonly skipped: ReadonlySet<string>;
  readonly pieces: KnownPieces;
}

export const NOT_UTF8 = 'is not UTF-8; save it in this encoding';

/** Yields where it may be interrupted. */
export function* loadText(
  text: string,
  file: string,
  reader: ObjectReader,
  known: KnownPieces = new Map(),
): Generator<void, LoadedFile> {
  const assembly = new Assembly(file, known);
  for (const piece of readPieces(text, reader, assembly.knownKeys)) {
    // A copy, because strings that were cut from a text keep all of it alive.
    assembly.add(piece.result === undefined ? piece : structuredClone(piece));
    yield;
  }
  return assembly;
}

export class Assembly implements LoadedFile {
  readonly objects: PlacedObject[] = [];
  readonly problems: Problem[] = [];
  readonly skipped = new Set<string>();
  readonly pieces = new Map<string, PieceResult>();

  readonly #file: string;
  readonly #known: KnownPieces;
  readonly #compact = new Compactor();

  constructor(file: string, known: KnownPieces) {
    this.#file = file;
    this.#known = known;
  }

  /** A result with problems has to be made again, with all that it says of its surroundings. */
  get knownKeys(): ReadonlySet<string> {
    return new Set(Array.from(this.#known).flatMap(([key, { problems }]) => (problems.length === 0 ? [key] : [])));
  }

  add({ key, line, result: made, whole }: ReadPiece): void {
    const result = made === undefined ? this.#known.get(key) : this.#compact.piece(made);
    if (result === undefined) throw new Error(`${this.#file}: the piece at line ${line} was taken for a known one`);
    this.pieces.set(key, result);
    if (whole) {
      this.objects.length = 0;
      this.problems.length = 0;
    }
    for (const object of result.objects) this.objects.push({ object, line: line + result.line - 1 });
    for (const skipped of result.skipped) this.skipped.add(skipped);
    for (const problem of result.problems) {
      const place = problem.line !== undefined && { line: problem.line + line - 1 };
      this.problems.push({ file: this.#file, ...problem, ...place });
    }
  }
}
