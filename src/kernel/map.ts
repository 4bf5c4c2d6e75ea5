// SPDX-License-Identifier: Apache-2.0
// A map whose keys and values are TypeScript values: a codec on each side, batches where the kernel has them.

import type { Codec } from '../abi/codec.ts';
import { addon } from './addon.ts';
import { KernelError } from './errors.ts';
import type { NativeMap } from './native-types.ts';

const BATCH = 1024;
const PER_CPU_TYPES: ReadonlySet<number> = new Set([5, 6, 10]);

export class TypedMap<K, V> {
  readonly native: NativeMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #keyBytes: Uint8Array;
  readonly #keyView: DataView;

  /** Owns the map: close() closes it. */
  constructor(native: NativeMap, key: Codec<K>, value: Codec<V>) {
    this.native = native;
    this.#key = key;
    this.#value = value;
    this.#keyBytes = new Uint8Array(key.size);
    this.#keyView = new DataView(this.#keyBytes.buffer);
  }

  get(key: K): V | undefined {
    const bytes = this.native.lookup(this.#encodeKey(key));
    return bytes === undefined ? undefined : this.#decode(this.#value, bytes, 0);
  }

  /** One value a possible CPU. */
  getPerCpu(key: K): V[] {
    const bytes = this.native.lookup(this.#encodeKey(key));
    if (bytes === undefined) return [];
    const stride = Math.ceil(this.#value.size / 8) * 8;
    return Array.from({ length: addon.possibleCpus() }, (_, cpu) => this.#decode(this.#value, bytes, cpu * stride));
  }

  set(key: K, value: V, flags = 0): void {
    const bytes = new Uint8Array(this.#value.size);
    this.#value.encode(value, new DataView(bytes.buffer), 0);
    this.native.update(this.#encodeKey(key), bytes, flags);
  }

  /** False: it was not there. */
  delete(key: K): boolean {
    return this.native.delete(this.#encodeKey(key));
  }

  /** A row that changes while this walks may show before or after, or twice (kernel's own guarantee); not for per-CPU maps. */
  *entries(): Generator<readonly [K, V]> {
    if (PER_CPU_TYPES.has(this.native.info().type)) throw new TypeError('use getPerCpu for a per-CPU map');
    let cursor: Uint8Array | undefined;
    do {
      let batch;
      try {
        batch = this.native.lookupBatch(cursor, BATCH);
      } catch (error) {
        if (cursor !== undefined || !(error instanceof KernelError) || error.errno !== ENOTSUPP) throw error;
        yield* this.#walk();
        return;
      }
      for (let i = 0; i < batch.count; i++) {
        yield [
          this.#decode(this.#key, batch.keys, i * this.#key.size),
          this.#decode(this.#value, batch.values, i * this.#value.size),
        ];
      }
      cursor = batch.cursor;
    } while (cursor !== undefined);
  }

  setMany(rows: readonly (readonly [K, V])[]): void {
    for (let from = 0; from < rows.length; from += BATCH) {
      const some = rows.slice(from, from + BATCH);
      const keys = new Uint8Array(some.length * this.#key.size);
      const values = new Uint8Array(some.length * this.#value.size);
      const keyView = new DataView(keys.buffer);
      const valueView = new DataView(values.buffer);
      some.forEach(([key, value], i) => {
        this.#key.encode(key, keyView, i * this.#key.size);
        this.#value.encode(value, valueView, i * this.#value.size);
      });
      this.native.updateBatch(keys, values, some.length);
    }
  }

  /** Absent keys are no error. */
  deleteMany(keys: readonly K[]): void {
    for (const key of keys) this.delete(key);
  }

  close(): void {
    this.native.close();
  }

  *#walk(): Generator<readonly [K, V]> {
    let key: Uint8Array | undefined;
    while ((key = this.native.nextKey(key)) !== undefined) {
      const value = this.native.lookup(key);
      if (value !== undefined) yield [this.#decode(this.#key, key, 0), this.#decode(this.#value, value, 0)];
    }
  }

  #encodeKey(key: K): Uint8Array {
    this.#key.encode(key, this.#keyView, 0);
    return this.#keyBytes;
  }

  #decode<T>(codec: Codec<T>, bytes: Uint8Array, offset: number): T {
    return codec.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset);
  }
}

/** The kernel's own number for an operation that a map type lacks. */
const ENOTSUPP = 524;
