// SPDX-License-Identifier: Apache-2.0
// The pin directory, <bpffs>/bpfsvc/<fingerprint>/{maps,links}: all that survives the agent. It is filled under a
// temporary name and renamed when whole, so that whoever finds it finds all of it. Knows no map and no program.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { isBpffs } from './mounts.ts';
import { mountBpffs, tryLock } from './sys.ts';

export type PinErrorCode = 'not-bpffs' | 'mount-failed' | 'locked' | 'exists';

/** A failure that the operator can mend; the message ends with how. */
export class PinError extends Error {
  override readonly name = 'PinError';
  readonly code: PinErrorCode;

  constructor(code: PinErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface PinPaths {
  readonly directory: string;
  readonly maps: string;
  readonly links: string;
}

/** Being filled or being removed. Not a dot file: the BPF file system allows no dot in a name. */
const PARTIAL = '-partial';

/** Where things are, or would be; touches nothing. */
export function pinPaths(bpffs: string, fingerprint: string): PinPaths {
  return pathsIn(path.join(pinRoot(bpffs), fingerprint));
}

export function pinRoot(bpffs: string): string {
  return path.join(bpffs, 'bpfsvc');
}

/** Fingerprints of the pin directories that are whole. */
export function pinnedFingerprints(bpffs: string): string[] {
  return directoriesIn(pinRoot(bpffs)).filter((name) => !name.endsWith(PARTIAL));
}

/** All pins below a directory, for those who say what they remove; empty when there is none. */
export function listPins(directory: string): string[] {
  return entriesIn(directory).flatMap((entry) => {
    const full = path.join(directory, entry.name);
    return entry.isDirectory() ? listPins(full) : [full];
  });
}

/** Makes the directory and mounts a BPF file system on it, unless it is on one. True: mounted. */
export function ensureBpffs(directory: string): boolean {
  mkdirSync(directory, { recursive: true });
  if (isBpffs(directory)) return false;
  if (entriesIn(directory).length > 0) {
    throw new PinError(
      'not-bpffs',
      `${directory} is not on a BPF file system and not empty; name one that is, or an empty directory to mount one on`,
    );
  }
  try {
    mountBpffs(directory);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PinError('mount-failed', `${reason}; mount it beforehand: mount -t bpf bpf ${directory}`, { cause });
  }
  return true;
}

/** One holder at a time, by a lock on `<bpffs>/bpfsvc` that the kernel releases when the process ends. */
export class PinDirectory implements Disposable {
  readonly paths: PinPaths;
  readonly #bpffs: string;
  readonly #lock: number;
  #open = true;

  private constructor(bpffs: string, fingerprint: string, lock: number) {
    this.#bpffs = bpffs;
    this.#lock = lock;
    this.paths = pinPaths(bpffs, fingerprint);
  }

  /** `bpffs` must be on a BPF file system (ensureBpffs). Clears away what a holder that died left half done. */
  static open(bpffs: string, fingerprint: string): PinDirectory {
    if (!/^\w[\w-]*$/.test(fingerprint) || fingerprint.endsWith(PARTIAL)) {
      throw new RangeError(`"${fingerprint}" cannot name a pin directory`);
    }
    if (!isBpffs(bpffs)) {
      throw new PinError('not-bpffs', `${bpffs} is not on a BPF file system; mount one: mount -t bpf bpf ${bpffs}`);
    }
    const root = pinRoot(bpffs);
    const directory = new PinDirectory(bpffs, fingerprint, lockDirectory(root));
    for (const name of directoriesIn(root)) {
      if (name.endsWith(PARTIAL)) removeTree(path.join(root, name));
    }
    return directory;
  }

  /** Whether it has been built, by this process or an earlier one. */
  get whole(): boolean {
    return pinnedFingerprints(this.#bpffs).includes(path.basename(this.paths.directory));
  }

  /** Other layouts' directories: an older or newer version's state. */
  others(): string[] {
    return pinnedFingerprints(this.#bpffs).filter((name) => name !== path.basename(this.paths.directory));
  }

  /** Pins everything in the directories that `fill` is given; they appear under their name when it has returned. */
  async build<T>(fill: (staging: PinPaths) => T | Promise<T>): Promise<T> {
    const { directory } = this.paths;
    if (this.whole) throw new PinError('exists', `${directory} exists already; open what is in it, or remove it first`);
    const staging = pathsIn(directory + PARTIAL);
    mkdirSync(staging.maps, { recursive: true });
    mkdirSync(staging.links);
    try {
      const result = await fill(staging);
      renameSync(staging.directory, directory);
      return result;
    } catch (error) {
      removeTree(staging.directory);
      throw error;
    }
  }

  /** Removes one layout's pins, this one's if none is named. Returns what they were. */
  remove(fingerprint = path.basename(this.paths.directory)): string[] {
    const { directory } = pinPaths(this.#bpffs, fingerprint);
    const pins = listPins(directory);
    // First under another name: a process that dies in between leaves nothing that looks whole.
    if (existsSync(directory)) renameSync(directory, directory + PARTIAL);
    removeTree(directory + PARTIAL);
    return pins;
  }

  /** Removes everything, the lock's directory too, and closes. Returns the pins that were there. */
  removeAll(): string[] {
    const root = pinRoot(this.#bpffs);
    const pins = listPins(root);
    removeTree(root);
    this.close();
    return pins;
  }

  /** Releases the lock; pins stay. */
  close(): void {
    if (this.#open) closeSync(this.#lock);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

// --- internal ---

function pathsIn(directory: string): PinPaths {
  return { directory, maps: path.join(directory, 'maps'), links: path.join(directory, 'links') };
}

function lockDirectory(root: string): number {
  for (;;) {
    makeDirectory(root);
    const fd = openDirectory(root);
    // Its holder has removed it, here or below.
    if (fd === undefined) continue;
    let kept = false;
    try {
      if (!tryLock(fd)) {
        throw new PinError('locked', `${root} is in use by another bpfsvc; stop that one, or name another --bpffs`);
      }
      // Otherwise this is a lock on nothing.
      kept = fstatSync(fd).ino === statSync(root, { throwIfNoEntry: false })?.ino;
      if (kept) return fd;
    } finally {
      if (!kept) closeSync(fd);
    }
  }
}

/** Not by `recursive`, which fails when the directory that it has found is removed the next moment. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

function openDirectory(directory: string): number | undefined {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function removeTree(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

function directoriesIn(directory: string): string[] {
  return entriesIn(directory).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

function entriesIn(directory: string): { readonly name: string; isDirectory(): boolean }[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
