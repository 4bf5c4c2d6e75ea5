// SPDX-License-Identifier: Apache-2.0
// Decides whether a file must be made again: beside it lies a note of what it was made from, by content and not by
// time, because a checkout or an image gives every file a new time. Knows no compiler.

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface Recipe {
  /** The file to make. */
  readonly output: string;
  /** Where the note lies. */
  readonly note: string;
  /** Whatever decides what comes out, besides the inputs: flags, versions. */
  readonly key: readonly string[];
  /** Makes `temporary`, which then becomes `output`; returns the paths of all inputs it has read. */
  make(temporary: string): Promise<readonly string[]>;
}

interface Note {
  readonly key: string;
  /** Path → hash of content. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly output: string;
}

/** True: it was there already. A failure of `make` leaves the old output and its note alone. */
export async function makeCached(recipe: Recipe): Promise<boolean> {
  const key = hash(recipe.key.join('\0'));
  if (await isFresh(recipe, key)) return true;
  await mkdir(path.dirname(recipe.output), { recursive: true });
  await mkdir(path.dirname(recipe.note), { recursive: true });
  // Others may make the same file at this moment; each has its own until the rename.
  const temporary = `${recipe.note}.${randomUUID()}.tmp`;
  try {
    const started = Date.now();
    const paths = await recipe.make(temporary);
    const note: Note = { key, inputs: await hashFiles(paths), output: hash(await readFile(temporary)) };
    await rename(temporary, recipe.output);
    // What was made may be from the old text of a file and its hash from the new one: then nobody may trust a note.
    if (await isAnyNewer(paths, started)) {
      await rm(recipe.note, { force: true });
    } else {
      await writeFile(temporary, JSON.stringify(note));
      await rename(temporary, recipe.note);
    }
  } finally {
    await rm(temporary, { force: true });
  }
  return false;
}

async function hashFiles(paths: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const file of paths) hashes[file] = hash(await readFile(file));
  return hashes;
}

async function isAnyNewer(paths: readonly string[], time: number): Promise<boolean> {
  const stats = await Promise.all(paths.map((file) => stat(file)));
  return stats.some(({ mtimeMs }) => mtimeMs > time);
}

async function isFresh(recipe: Recipe, key: string): Promise<boolean> {
  const text = await readIfThere(recipe.note);
  if (text === undefined) return false;
  const note = parseNote(text.toString());
  if (note?.key !== key) return false;
  const files: [string, string][] = [...Object.entries(note.inputs), [recipe.output, note.output]];
  for (const [file, expected] of files) {
    const content = await readIfThere(file);
    if (content === undefined || hash(content) !== expected) return false;
  }
  return true;
}

/** Undefined where it is no note of ours: then the file is made again. */
function parseNote(text: string): Note | undefined {
  try {
    return JSON.parse(text) as Note;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function hash(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
