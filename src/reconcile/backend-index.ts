// SPDX-License-Identifier: Apache-2.0
// Ids of backends by their keys, without the keys: whoever has an id reads its key from the backend's row. A Map of a
// hundred thousand strings would take twenty times the memory. Ids are small, positive, and each is in it once.

import { murmur3 } from '../plan/murmur.ts';

const SEED = 0x6b657973;
const FIRST_SIZE = 1024;

export class BackendIndex {
  readonly #keyOf: (id: number) => string;
  /** The first id of each chain; 0 ends one. */
  #chains = new Uint32Array(FIRST_SIZE);
  /** By id: the next one in its chain, and the hash of its key. */
  #next = new Uint32Array(FIRST_SIZE);
  #hashes = new Uint32Array(FIRST_SIZE);
  #size = 0;

  constructor(keyOf: (id: number) => string) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#size;
  }

  find(key: string): number | undefined {
    const hash = murmur3(key, SEED);
    for (let id = this.#firstOf(hash); id !== 0; id = this.#next[id] ?? 0) {
      if (this.#hashes[id] === hash && this.#keyOf(id) === key) return id;
    }
    return undefined;
  }

  add(id: number, key: string): void {
    if (id >= this.#next.length) this.#growTo(id);
    if (++this.#size > this.#chains.length) this.#spread();
    this.#hashes[id] = murmur3(key, SEED);
    this.#link(id);
  }

  remove(id: number): void {
    const hash = this.#hashes[id] ?? 0;
    const after = this.#next[id] ?? 0;
    let before = this.#firstOf(hash);
    if (before === id) this.#chains[hash % this.#chains.length] = after;
    else {
      while (this.#next[before] !== id) {
        if (before === 0) throw new Error(`backend ${String(id)} is not in the index`);
        before = this.#next[before] ?? 0;
      }
      this.#next[before] = after;
    }
    this.#size--;
  }

  #firstOf(hash: number): number {
    return this.#chains[hash % this.#chains.length] ?? 0;
  }

  #link(id: number): void {
    const chain = (this.#hashes[id] ?? 0) % this.#chains.length;
    this.#next[id] = this.#chains[chain] ?? 0;
    this.#chains[chain] = id;
  }

  #growTo(id: number): void {
    const length = 2 ** Math.ceil(Math.log2(id + 1));
    this.#next = copyTo(new Uint32Array(length), this.#next);
    this.#hashes = copyTo(new Uint32Array(length), this.#hashes);
  }

  #spread(): void {
    const before = this.#chains;
    this.#chains = new Uint32Array(2 * before.length);
    for (const first of before) {
      let id = first;
      while (id !== 0) {
        const next = this.#next[id] ?? 0;
        this.#link(id);
        id = next;
      }
    }
  }
}

function copyTo(larger: Uint32Array<ArrayBuffer>, from: Uint32Array): Uint32Array<ArrayBuffer> {
  larger.set(from);
  return larger;
}
