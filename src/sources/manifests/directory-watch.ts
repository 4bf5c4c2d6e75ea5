// SPDX-License-Identifier: Apache-2.0
// One inotify watch for each directory, and one signal for all of them: something changed, look again. What changed is
// not passed on, since the kernel may drop events when there are many; who looks again sees everything.

import type { FSWatcher } from 'node:fs';
import { watch } from 'node:fs';
import type { Stamp } from './walk.ts';

interface Watched {
  readonly identity: Stamp;
  readonly watcher: FSWatcher;
}

export class DirectoryWatch {
  readonly #watched = new Map<string, Watched>();
  readonly #onEvent: () => void;
  #failure: Error | undefined;

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /** Why some directory is not watched, as of the last call of follow(). */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** True when a watch was added: what happened there before it was in place has to be looked for. */
  follow(directories: ReadonlyMap<string, Stamp>): boolean {
    this.#failure = undefined;
    for (const [path, { identity, watcher }] of this.#watched) {
      if (directories.get(path) === identity) continue;
      watcher.close();
      this.#watched.delete(path);
    }
    let added = false;
    for (const [path, identity] of directories) {
      if (this.#watched.has(path)) continue;
      try {
        this.#add(path, identity);
        added = true;
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      }
    }
    return added;
  }

  close(): void {
    this.follow(new Map());
  }

  #add(path: string, identity: Stamp): void {
    const watcher = watch(path, this.#onEvent);
    this.#watched.set(path, { identity, watcher });
    watcher.on('error', () => {
      watcher.close();
      if (this.#watched.get(path)?.watcher === watcher) this.#watched.delete(path);
      this.#onEvent();
    });
  }
}
