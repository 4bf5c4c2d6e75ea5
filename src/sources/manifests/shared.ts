// SPDX-License-Identifier: Apache-2.0
// One object for all that are equal: the first that comes stands for those after it. It remembers a limited number, so
// that what has gone from the manifests goes from memory, too.

/** More than a cluster has nodes, and so few that nobody notices. */
const MOST = 4096;

export class Shared<T> {
  readonly #known = new Map<string, T>();
  readonly #keyOf: (value: T) => string;

  /** keyOf: equal for values that are to be one. */
  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf;
  }

  one(value: T): T {
    const key = this.#keyOf(value);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size === MOST) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}
