// SPDX-License-Identifier: Apache-2.0
// One Service's failure is not the others': who has failed in a round is left out of the rest of it.

import type { ObjectKey } from '../model/types.ts';

interface OfService {
  readonly key: ObjectKey;
}

export class Attempts {
  readonly #failed = new Map<ObjectKey, Error>();

  get failed(): ReadonlyMap<ObjectKey, Error> {
    return this.#failed;
  }

  /** For each that has not failed. */
  each<T extends OfService>(items: readonly T[], action: (item: T) => void): void {
    for (const item of this.standing(items)) this.#guard(item, action);
  }

  /** All at once; if that fails, one by one. */
  together<T extends OfService>(items: readonly T[], write: (some: readonly T[]) => void): void {
    const some = this.standing(items);
    if (some.length === 0) return;
    try {
      write(some);
    } catch {
      for (const item of some)
        this.#guard(item, () => {
          write([item]);
        });
    }
  }

  standing<T extends OfService>(items: readonly T[]): T[] {
    return items.filter(({ key }) => !this.#failed.has(key));
  }

  #guard<T extends OfService>(item: T, action: (item: T) => void): void {
    try {
      action(item);
    } catch (error) {
      this.#failed.set(item.key, error instanceof Error ? error : new Error(String(error)));
    }
  }
}
