// SPDX-License-Identifier: Apache-2.0
// Which manifest files there are under a path, in which state, and which directories must be watched to hear of any
// change. Reads no file. Symbolic links are followed, so that a ConfigMap volume, whose files are links through
// `..data`, changes when that link is swapped.

import type { BigIntStats } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { compareText } from './problem.ts';

/** Changes with the content of a file: which file it is, its size, and when it was written or renamed. */
export type Stamp = string;

export interface FileState {
  readonly stamp: Stamp;
  /** Milliseconds since 1970 of the last change to content or name. */
  readonly changed: number;
}

export interface Walked {
  readonly files: ReadonlyMap<string, FileState>;
  /** Path of each directory to watch, with what tells it from another one at the same path. */
  readonly directories: ReadonlyMap<string, Stamp>;
  /** Paths given that do not exist now. */
  readonly missing: readonly string[];
  /** Paths that could not be looked at. */
  readonly unreadable: ReadonlyMap<string, Error>;
}

const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

const AT_ONCE = 64;

/** A file given by name is read whatever its name is; in directories, and those below, names decide. */
export async function walk(paths: readonly string[]): Promise<Walked> {
  const walker = new Walker();
  for (const path of paths) await walker.addRoot(path);
  walker.files = new Map([...walker.files].sort(([a], [b]) => compareText(a, b)));
  return walker;
}

class Walker implements Walked {
  files = new Map<string, FileState>();
  readonly directories = new Map<string, Stamp>();
  readonly missing: string[] = [];
  readonly unreadable = new Map<string, Error>();
  /** By stamp: links can lead to one directory twice, or in a circle. */
  readonly #entered = new Set<Stamp>();

  async addRoot(path: string): Promise<void> {
    const stats = await this.#stat(path);
    if (stats === undefined) {
      this.missing.push(path);
      await this.#watchAbove(path);
      return;
    }
    if (stats.isDirectory()) await this.#addDirectory(path, stats);
    else await this.#addFile(path, stats, true);
    // A directory tells of its own end; a file does not, nor does a link when it is led elsewhere.
    if (!stats.isDirectory() || (await isLink(path))) await this.#watchAbove(path);
  }

  async #addDirectory(path: string, stats: BigIntStats): Promise<void> {
    const identity = identityOf(stats);
    if (this.#entered.has(identity)) return;
    this.#entered.add(identity);
    this.directories.set(path, identity);
    let entries;
    try {
      entries = await readdir(path, { withFileTypes: true });
    } catch (error) {
      this.#failed(path, error);
      return;
    }
    const shown = entries.filter(({ name }) => !isHidden(name)).sort((a, b) => compareText(a.name, b.name));
    const candidates = shown.filter((entry) => !entry.isFile() || isManifest(entry.name));
    for (let i = 0; i < candidates.length; i += AT_ONCE) {
      const batch = candidates.slice(i, i + AT_ONCE);
      const states = await Promise.all(batch.map((entry) => this.#stat(join(path, entry.name))));
      for (const [j, entry] of batch.entries()) {
        const state = states[j];
        if (state?.isDirectory() === true) await this.#addDirectory(join(path, entry.name), state);
        else if (state !== undefined && isManifest(entry.name)) {
          await this.#addFile(join(path, entry.name), state, entry.isSymbolicLink());
        }
      }
    }
  }

  async #addFile(path: string, stats: BigIntStats, mayBeLink: boolean): Promise<void> {
    if (!stats.isFile()) return;
    this.files.set(path, { stamp: stampOf(stats), changed: Number(stats.ctimeMs) });
    if (mayBeLink) await this.#watchLinked(path);
  }

  /** A file behind a link changes in a directory that nobody walks. */
  async #watchLinked(path: string): Promise<void> {
    const directory = dirname(await realpath(path).catch(() => path));
    const stats = await this.#stat(directory);
    if (stats !== undefined && !this.directories.has(directory)) this.directories.set(directory, identityOf(stats));
  }

  /** So that a path that goes and comes back is noticed, however much of it goes. */
  async #watchAbove(path: string): Promise<void> {
    for (let above = dirname(path); ; above = dirname(above)) {
      const stats = await this.#stat(above);
      if (stats !== undefined) {
        if (!this.directories.has(above)) this.directories.set(above, identityOf(stats));
        return;
      }
      if (above === dirname(above)) return;
    }
  }

  async #stat(path: string): Promise<BigIntStats | undefined> {
    try {
      return await stat(path, { bigint: true });
    } catch (error) {
      if (!isGone(error)) this.#failed(path, error);
      return undefined;
    }
  }

  #failed(path: string, error: unknown): void {
    if (isGone(error)) return;
    this.unreadable.set(path, error instanceof Error ? error : new Error(String(error)));
  }
}

export function stampOf(stats: BigIntStats): Stamp {
  return `${identityOf(stats)}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

export function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Dot files, of editors and of ConfigMap volumes, and files that are still being written. */
function isHidden(name: string): boolean {
  return name.startsWith('.') || name.endsWith('.tmp');
}

function isManifest(name: string): boolean {
  return EXTENSIONS.has(extname(name));
}

async function isLink(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isSymbolicLink() === true;
}

function identityOf(stats: BigIntStats): Stamp {
  return `${stats.dev}:${stats.ino}`;
}
