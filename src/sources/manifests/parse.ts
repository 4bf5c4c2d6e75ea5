// SPDX-License-Identifier: Apache-2.0
// From one piece of text to checked objects, or to problems with line and column. Two parsers: js-yaml makes the values,
// five times as fast; yaml is asked where a field stands, only when there is something to say about it.

import { CORE_SCHEMA, loadAll, mergeTag, YAMLException } from 'js-yaml';
import { isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { ManifestObject, ObjectReader } from './objects.ts';
import { isMapping } from './objects.ts';
import type { ListHead, Piece } from './pieces.ts';
import type { FieldPath, Problem } from './problem.ts';
import { fieldText } from './problem.ts';

/** Places are relative to the piece, so that a result stays true when the piece moves. */
export interface PieceResult {
  readonly objects: readonly ManifestObject[];
  /** Line of the first object, from 1. */
  readonly line: number;
  readonly problems: readonly Omit<Problem, 'file'>[];
  readonly skipped: readonly string[];
  /** The text is no YAML at all. */
  readonly broken: boolean;
}

interface Found {
  readonly document: number;
  readonly path: FieldPath;
  readonly label: string | undefined;
  readonly field: FieldPath;
  readonly message: string;
}

const SCHEMA = CORE_SCHEMA.withTags(mergeTag);

export function parsePiece(piece: Piece, reader: ObjectReader): PieceResult {
  let documents: unknown[];
  try {
    documents = loadAll(piece.text, { schema: SCHEMA });
  } catch (error) {
    return broken(error, piece.text);
  }
  const collector = new Collector(reader);
  for (const [index, document] of documents.entries()) {
    dropNulls(document);
    if (piece.head !== undefined) collector.addItems(index, [], document, piece.head);
    else collector.addDocument(index, document);
  }
  return {
    objects: collector.objects,
    line: firstLine(piece.text),
    problems: locate(piece.text, collector.found),
    skipped: [...collector.skipped],
    broken: false,
  };
}

/** Values that came as JSON. Where something stands in `text` is looked for only when something is wrong. */
export function checkValues(values: readonly unknown[], reader: ObjectReader, text = ''): PieceResult {
  const collector = new Collector(reader);
  for (const value of values) {
    dropNulls(value);
    collector.addDocument(0, value);
  }
  const problems = locate(text, collector.found);
  return { objects: collector.objects, skipped: [...collector.skipped], problems, line: 1, broken: false };
}

class Collector {
  readonly objects: ManifestObject[] = [];
  readonly found: Found[] = [];
  readonly skipped = new Set<string>();
  readonly #reader: ObjectReader;

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  addDocument(document: number, value: unknown): void {
    // Nothing between two markers, or comments only.
    if (value === null || value === undefined) return;
    if (isMapping(value) && typeof value['kind'] === 'string' && value['kind'].endsWith('List')) {
      const head = { kind: value['kind'], apiVersion: value['apiVersion'] };
      this.addItems(document, ['items'], value['items'] ?? [], head);
    } else {
      this.#add(document, [], value);
    }
  }

  addItems(document: number, path: FieldPath, items: unknown, head: ListHead): void {
    if (!Array.isArray(items)) {
      const message = "is not a list; begin each item with '- '";
      this.found.push({ document, path, field: path, label: undefined, message });
      return;
    }
    for (const [i, item] of items.entries()) this.#add(document, [...path, i], withHead(item, head));
  }

  #add(document: number, path: FieldPath, value: unknown): void {
    const result = this.#reader.read(value);
    if ('object' in result) this.objects.push(result.object);
    else if ('skipped' in result) this.skipped.add(result.skipped);
    else {
      for (const issue of result.issues) {
        this.found.push({
          document,
          path: [...path, ...issue.path],
          label: result.label,
          field: issue.path,
          message: issue.message,
        });
      }
    }
  }
}

/** The items of a ServiceList need not say that they are Services. */
export function withHead(item: unknown, { kind, apiVersion }: ListHead): unknown {
  if (!isMapping(item) || kind === 'List') return item;
  return { apiVersion, kind: kind.slice(0, -'List'.length), ...item };
}

function broken(error: unknown, text: string): PieceResult {
  if (!(error instanceof YAMLException)) throw error;
  const lines = text.split('\n').length;
  const line = Math.min((error.mark?.line ?? 0) + 1, lines);
  const problem = {
    line,
    column: (error.mark?.column ?? 0) + 1,
    message: `is not YAML: ${error.reason}; correct it here or in the lines above`,
  };
  return { objects: [], line: 1, problems: [problem], skipped: [], broken: true };
}

/** To the API server a null is a field that is not there. */
function dropNulls(value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) dropNulls(item);
  } else if (isMapping(value)) {
    const fields = value as Record<string, unknown>;
    for (const [name, field] of Object.entries(fields)) {
      if (field === null) Reflect.deleteProperty(fields, name);
      else if (typeof field === 'object') dropNulls(field);
    }
  }
}

function firstLine(text: string): number {
  const content = /^(?!---(?:\s|$)|\s*(?:#|\r?$)|%).*\S/m.exec(text);
  return text.slice(0, content?.index ?? 0).split('\n').length;
}

/** Each place is that of the value, or of the innermost thing around it when the value is missing. */
function locate(text: string, found: readonly Found[]): Omit<Problem, 'file'>[] {
  if (found.length === 0) return [];
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, merge: true, uniqueKeys: false, logLevel: 'silent' });
  return found.map(({ document, path, label, field, message }) => {
    const root = 'empty' in documents ? undefined : documents[document];
    let offset = root?.range[0] ?? 0;
    for (let depth = path.length; depth >= 0; depth--) {
      const node = depth === 0 ? root?.contents : root?.getIn(path.slice(0, depth), true);
      if (!isNode(node) || !node.range) continue;
      offset = node.range[0];
      break;
    }
    const { line, col } = lines.linePos(offset);
    return {
      line,
      column: col,
      ...(label !== undefined && { object: label }),
      ...(field.length > 0 && { field: fieldText(field) }),
      message,
    };
  });
}
