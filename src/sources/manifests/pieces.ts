// SPDX-License-Identifier: Apache-2.0
// Cuts the text of a manifest file into pieces that can be parsed each by itself, so that an edit in a file of ten
// thousand objects costs the parsing of one. It looks at the lines that YAML keeps for itself and at nothing else.

/** The `kind` and `apiVersion` of a list, for items that do not repeat them. */
export interface ListHead {
  readonly apiVersion: unknown;
  readonly kind: string;
}

export interface Piece {
  readonly text: string;
  /** Of its first character, from 1. */
  readonly line: number;
  /** Set when the text is a sequence, cut from the items of a list: what the list says of them. */
  readonly head?: ListHead;
}

const MARKER = /^---(?=\s|$)/gm;
/** Belongs to the document after the marker that follows. */
const DIRECTIVE = /^%/m;

export function cutPieces(text: string): Piece[] {
  if (DIRECTIVE.test(text)) return [{ text, line: 1 }];
  const starts = [0, ...Array.from(text.matchAll(MARKER), (match) => match.index).filter((index) => index > 0)];
  const pieces: Piece[] = [];
  let line = 1;
  for (const [i, start] of starts.entries()) {
    const piece = text.slice(start, starts[i + 1]);
    pieces.push(...cutList({ text: piece, line }));
    line += countLines(piece);
  }
  return pieces;
}

const LIST_KIND = /^kind: *["']?(\w*List)["']? *(?:#.*)?\r?$/m;
const API_VERSION = /^apiVersion: *["']?([\w./-]+)/m;
const ITEMS = /^items: *(?:#.*)?\r?\n/m;

/**
 * A block-style list is cut at its items: `items:` at the margin, then lines that begin with the same indentation and a
 * dash. What stands inside an item is indented deeper, also the lines of a multi-line text. An item that refers to an
 * anchor in another one makes no sense by itself; who parses it notices.
 */
function cutList(document: Piece): Piece[] {
  const { text } = document;
  const items = ITEMS.exec(text);
  const kind = LIST_KIND.exec(text)?.[1];
  if (items === null || kind === undefined) return [document];
  const begin = items.index + items[0].length;
  const indent = /^(?:[ \t]*(?:#.*)?\r?\n)*( *)-[ \r\n]/.exec(text.slice(begin))?.[1];
  if (indent === undefined) return [document];
  const end = listEnd(text, begin, indent);
  const body = text.slice(begin, end);
  const starts = Array.from(body.matchAll(new RegExp(`^${indent}-(?=[ \\r\\n])`, 'gm')), (match) => match.index);

  // The list itself keeps its lines, empty, so that what is said about its head and tail has the right place.
  const head = text.slice(0, begin) + '\n'.repeat(countLines(body)) + text.slice(end);
  const pieces: Piece[] = [{ ...document, text: head }];
  const listHead: ListHead = { apiVersion: API_VERSION.exec(head)?.[1], kind };
  let line = document.line + countLines(text.slice(0, begin) + body.slice(0, starts[0] ?? 0));
  for (const [i, start] of starts.entries()) {
    const item = body.slice(start, starts[i + 1]);
    pieces.push({ text: item, line, head: listHead });
    line += countLines(item);
  }
  return pieces;
}

/** The first line that is less indented than the items, or not indented and no item. */
function listEnd(text: string, begin: number, indent: string): number {
  const pattern = indent === '' ? /^[^\s#-]/gm : new RegExp(`^ {0,${indent.length - 1}}[^\\s#]`, 'gm');
  pattern.lastIndex = begin;
  return pattern.exec(text)?.index ?? text.length;
}

function countLines(text: string): number {
  let count = 0;
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) count++;
  return count;
}
