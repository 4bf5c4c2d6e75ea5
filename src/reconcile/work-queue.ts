// SPDX-License-Identifier: Apache-2.0
// Which Services wait for a round. It knows their names and nothing else.

import type { ObjectKey } from '../model/types.ts';

export class WorkQueue {
  readonly #changed = new Set<ObjectKey>();
  /** Services that have gone: last, so that who takes over what they have is known by then. */
  readonly #removals = new Set<ObjectKey>();

  get size(): number {
    return this.#changed.size + this.#removals.size;
  }

  add(key: ObjectKey, gone: boolean): void {
    (gone ? this.#removals : this.#changed).add(key);
    (gone ? this.#changed : this.#removals).delete(key);
  }

  /** Takes out the next ones, all of one kind. */
  take(most: number): ObjectKey[] {
    const from = this.#changed.size > 0 ? this.#changed : this.#removals;
    const keys: ObjectKey[] = [];
    for (const key of from) {
      if (keys.length === most) break;
      keys.push(key);
      from.delete(key);
    }
    return keys;
  }

  drop(keys: Iterable<ObjectKey>): void {
    for (const key of keys) {
      this.#changed.delete(key);
      this.#removals.delete(key);
    }
  }
}
