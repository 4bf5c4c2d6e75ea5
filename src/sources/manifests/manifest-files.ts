// SPDX-License-Identifier: Apache-2.0
// The manifest files as they were last read, each with its last good content. Decides when a file has settled, so that
// nobody sees one that is being written, and reads those that changed. Knows no other file's objects.

import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { LoadedFile, PlacedObject } from './load.ts';
import { loadText, NOT_UTF8 } from './load.ts';
import { loadAside } from './load-aside.ts';
import { ObjectReader } from './objects.ts';
import type { PortRange } from './port-range.ts';
import type { Problem } from './problem.ts';
import { compareText } from './problem.ts';
import type { FileState, Stamp, Walked } from './walk.ts';
import { isGone } from './walk.ts';

/** How long a file written in place, or a file that has gone, must stay as it is before it is believed. */
const SETTLED_MS = 40;
/** The same for a file that is new at its path: put there whole by a rename, as a rule. */
const RENAMED_MS = 5;
/** Two writes within a tick of the file system's clock leave the same times; a file read so early is read again. */
const CLOCK_TICK_MS = 20;
/** A larger file is read by a process of its own: to start one takes as long as to read so much. */
const ASIDE_BYTES = 500_000;
/** How long files may be parsed before others get their turn. */
const SLICE_MS = 10;

export interface ManifestFile {
  readonly file: string;
  /** The last good ones; as long as the file never was good, those that were good since the start. */
  readonly objects: readonly PlacedObject[];
  /** Whether all of it has been good once. If not, nobody knows what else is meant to be in it. */
  readonly complete: boolean;
  /** Nothing at all is in it: more often the remains of a write than what somebody wanted. */
  readonly empty: boolean;
  readonly problems: readonly Problem[];
  readonly skipped: ReadonlySet<string>;
}

interface Entry extends ManifestFile {
  readonly stamp: Stamp;
  readonly reread: boolean;
  readonly digest: string;
  readonly pieces: LoadedFile['pieces'];
}

/** A state that is seen but not believed yet; without a stamp: gone. */
interface Pending {
  readonly stamp: Stamp | undefined;
  readonly due: number;
}

export class ManifestFiles {
  readonly #nodePorts: PortRange;
  readonly #reader: ObjectReader;
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Map<string, Pending>();

  constructor(nodePorts: PortRange) {
    this.#nodePorts = nodePorts;
    this.#reader = new ObjectReader(nodePorts);
  }

  /** In the order of their paths. */
  list(): readonly ManifestFile[] {
    return [...this.#entries.values()].sort((a, b) => compareText(a.file, b.file));
  }

  /** Some file is in a state that is not believed yet. */
  get unsettled(): boolean {
    return this.#pending.size > 0;
  }

  /** Files of which nothing is known, because they have not settled yet. */
  get awaited(): string[] {
    const files = [...this.#pending].filter(([file, { stamp }]) => stamp !== undefined && !this.#entries.has(file));
    return files.map(([file]) => file);
  }

  /** Milliseconds until the next update is worth it without an event; Infinity: nothing is unsettled. */
  get due(): number {
    const dues = Array.from(this.#pending.values(), ({ due }) => due);
    if ([...this.#entries.values()].some(({ reread }) => reread)) dues.push(performance.now() + CLOCK_TICK_MS);
    return Math.max(0, Math.min(...dues) - performance.now());
  }

  /** True when objects or problems may have changed. */
  async update(walked: Walked): Promise<boolean> {
    let changed = false;
    for (const [file, state] of walked.files) {
      const entry = this.#entries.get(file);
      if (entry?.stamp === state.stamp && !entry.reread) this.#pending.delete(file);
      else if (this.#hasSettled(file, state, entry)) changed = (await this.#read(file, state, entry)) || changed;
    }
    for (const file of [...this.#entries.keys()]) {
      if (walked.files.has(file) || isBelow(file, walked.unreadable.keys())) continue;
      if (!this.#waited(file, undefined, SETTLED_MS)) continue;
      this.#entries.delete(file);
      changed = true;
    }
    for (const file of this.#pending.keys()) {
      if (!walked.files.has(file) && !this.#entries.has(file)) this.#pending.delete(file);
    }
    return changed;
  }

  #hasSettled(file: string, { stamp, changed }: FileState, entry: Entry | undefined): boolean {
    if (entry?.stamp === stamp) return true;
    const age = Date.now() - changed;
    if (age > SETTLED_MS && !this.#pending.has(file)) return true;
    const inPlace = entry !== undefined && inodeOf(entry.stamp) === inodeOf(stamp);
    return this.#waited(file, stamp, inPlace ? SETTLED_MS : RENAMED_MS);
  }

  #waited(file: string, stamp: Stamp | undefined, ms: number): boolean {
    const now = performance.now();
    const before = this.#pending.get(file);
    if (before === undefined || before.stamp !== stamp) {
      this.#pending.set(file, { stamp, due: now + ms });
      return false;
    }
    if (now < before.due) return false;
    this.#pending.delete(file);
    return true;
  }

  async #read(file: string, state: FileState, entry: Entry | undefined): Promise<boolean> {
    const { stamp } = state;
    const reread = Math.abs(Date.now() - state.changed) < CLOCK_TICK_MS;
    let content: Uint8Array | undefined;
    try {
      const { size } = await stat(file);
      if (size <= ASIDE_BYTES) content = await readFile(file);
    } catch (error) {
      // Gone since it was looked at: the event of that is on its way.
      if (isGone(error)) return false;
      this.#setUnread(file, entry, error instanceof Error ? error.message : String(error));
      return true;
    }
    if (content === undefined) return this.#readAside(file, stamp, reread, entry);
    const digest = hash('sha256', content);
    if (entry?.digest === digest) {
      this.#entries.set(file, { ...entry, stamp, reread });
      return false;
    }
    const empty = content.length === 0;
    this.#set(file, entry, { stamp, reread, digest, empty }, await this.#load(file, content, entry));
    return true;
  }

  async #readAside(file: string, stamp: Stamp, reread: boolean, entry: Entry | undefined): Promise<boolean> {
    const request = { file, stamp, digest: entry?.digest, nodePorts: this.#nodePorts };
    const { end, loaded } = await loadAside(request, entry?.pieces);
    switch (end.outcome) {
      case 'moved':
        this.#pending.set(file, { stamp, due: performance.now() + SETTLED_MS });
        return false;
      case 'same':
        if (entry !== undefined) this.#entries.set(file, { ...entry, stamp, reread });
        return false;
      case 'unread':
        this.#setUnread(file, entry, end.reason);
        return true;
      case 'read': {
        const { digest, complaint } = end;
        const result = complaint === undefined ? loaded : refused(file, complaint);
        this.#set(file, entry, { stamp, reread, digest, empty: false }, result);
        return true;
      }
    }
  }

  #setUnread(file: string, entry: Entry | undefined, reason: string): void {
    // Without a stamp it is tried again each time.
    const nothing = { stamp: '', reread: false, digest: '', empty: false };
    this.#set(file, entry, nothing, refused(file, `cannot be read: ${reason}`));
  }

  async #load(file: string, content: Uint8Array, entry: Entry | undefined): Promise<LoadedFile> {
    if (content.length === 0 && entry !== undefined && entry.objects.length > 0) {
      return refused(file, 'is empty; write it again, or remove the file to remove its objects');
    }
    if (!isUtf8(content)) return refused(file, NOT_UTF8);
    return inSlices(loadText(new TextDecoder().decode(content), file, this.#reader, entry?.pieces));
  }

  #set(
    file: string,
    entry: Entry | undefined,
    read: Pick<Entry, 'stamp' | 'reread' | 'digest' | 'empty'>,
    loaded: LoadedFile,
  ) {
    const { problems, skipped } = loaded;
    const pieces = loaded.pieces.size > 0 ? loaded.pieces : (entry?.pieces ?? loaded.pieces);
    const good = problems.length === 0 && !read.empty;
    const complete = entry?.complete === true || good;
    const before = entry?.objects ?? [];
    const objects = good ? loaded.objects : complete ? before : withMissing(loaded.objects, before);
    this.#entries.set(file, { file, ...read, objects, problems, skipped, pieces, complete });
  }
}

async function inSlices<T>(steps: Generator<void, T>): Promise<T> {
  let begun = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - begun < SLICE_MS) continue;
    await setImmediate();
    begun = performance.now();
  }
}

/** What was good before stays until the file says for certain that it is not wanted. */
function withMissing(now: readonly PlacedObject[], before: readonly PlacedObject[]): readonly PlacedObject[] {
  const labels = new Set(now.map(({ object }) => object.label));
  return [...now, ...before.filter(({ object }) => !labels.has(object.label))];
}

function refused(file: string, message: string): LoadedFile {
  return { objects: [], problems: [{ file, message }], skipped: new Set(), pieces: new Map() };
}

function inodeOf(stamp: Stamp): string {
  return stamp.split(':', 2).join(':');
}

function isBelow(file: string, paths: Iterable<string>): boolean {
  for (const path of paths) if (file === path || file.startsWith(`${path}/`)) return true;
  return false;
}
