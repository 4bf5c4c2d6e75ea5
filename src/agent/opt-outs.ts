// SPDX-License-Identifier: Apache-2.0
// Network namespaces whose sockets are left alone, named by paths that may hold globs; they come and go, so their
// directories are watched.

import type { FSWatcher } from 'node:fs';
import { globSync, watch } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import { netnsCookie } from '../kernel/sys.ts';
import type { Logger } from '../log.ts';

export class OptOuts {
  readonly #patterns: readonly string[];
  readonly #apply: (cookies: readonly bigint[]) => void;
  readonly #onProblems: (messages: readonly string[]) => void;
  readonly #log: Logger;
  readonly #unwatched: string[] = [];
  readonly #watchers: FSWatcher[] = [];
  #scheduled = false;

  /** onProblems is told all there are, when that may have changed. */
  constructor(
    patterns: readonly string[],
    apply: (cookies: readonly bigint[]) => void,
    onProblems: (messages: readonly string[]) => void,
    log: Logger,
  ) {
    this.#patterns = patterns;
    this.#apply = apply;
    this.#onProblems = onProblems;
    this.#log = log;
  }

  start(): void {
    for (const directory of new Set(this.#patterns.map((pattern) => path.dirname(pattern)))) {
      try {
        this.#watchers.push(
          watch(directory, () => {
            this.#schedule();
          }),
        );
      } catch (error) {
        this.#log.warn({ directory, err: error }, 'cannot watch the directory of opted-out network namespaces');
        this.#unwatched.push(`cannot watch ${directory} for opted-out network namespaces: ${messageOf(error)}`);
      }
    }
    this.#refresh();
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#refresh();
    });
  }

  #refresh(): void {
    const cookies: bigint[] = [];
    const failed: string[] = [];
    for (const file of this.#patterns.flatMap((pattern) => globSync(pattern))) {
      try {
        const cookie = netnsCookie(file);
        // Never undefined: the agent does not start with opt-outs on a kernel that tells no cookies.
        if (cookie !== undefined) cookies.push(cookie);
      } catch (error) {
        // `ip netns add` makes the file first and mounts the namespace on it then: the next event brings it.
        this.#log.warn({ file, err: error }, 'cannot opt out the network namespace');
        failed.push(`cannot opt out the network namespace ${file}: ${messageOf(error)}`);
      }
    }
    this.#apply(cookies);
    this.#onProblems([...this.#unwatched, ...failed]);
  }
}
