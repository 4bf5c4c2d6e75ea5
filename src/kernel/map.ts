// SPDX-License-Identifier: Apache-2.0
// A map whose keys and values are TypeScript values: a codec on each side, batches where the kernel has them for this
// type of map, and a system call a row where not.

import type { Codec } from '../abi/codec.ts';
import { addon } from './addon.ts';
import { MAP_TYPE } from './constants.ts';
import { KernelError } from './errors.ts';
import type { MapBatch, MapInfo, NativeMap } from './native-types.ts';

const BATCH = 1024;
const PER_CPU_TYPES: ReadonlySet<number> = new Set([
  MAP_TYPE.PERCPU_HASH,
  MAP_TYPE.PERCPU_ARRAY,
  MAP_TYPE.LRU_PERCPU_HASH,
]);

export class TypedMap<K, V> {
  readonly native: NativeMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #perCpu: boolean;
  /** For the call under way; native code copies what it is given. */
  readonly #keyBytes: Uint8Array;
  readonly #keyView: DataView;
  readonly #valueBytes: Uint8Array;
  readonly #valueView: DataView;

  /** Owns the map: close() closes it. Throws where the codecs are not the map's. */
  constructor(native: NativeMap, key: Codec<K>, value: Codec<V>) {
    const info = native.info();
    checkSizes(info, key.size, value.size);
    this.native = native;
    this.#key = key;
    this.#value = value;
    this.#perCpu = PER_CPU_TYPES.has(info.type);
    this.#keyBytes = new Uint8Array(key.size);
    this.#keyView = viewOf(this.#keyBytes);
    this.#valueBytes = new Uint8Array(value.size);
    this.#valueView = viewOf(this.#valueBytes);
  }

  get(key: K): V | undefined {
    this.#refusePerCpu();
    const bytes = this.native.lookup(this.#encodeKey(key));
    return bytes === undefined ? undefined : this.#value.decode(viewOf(bytes), 0);
  }

  /** One value a possible CPU. */
  getPerCpu(key: K): V[] {
    const bytes = this.native.lookup(this.#encodeKey(key));
    if (bytes === undefined) return [];
    const view = viewOf(bytes);
    const stride = Math.ceil(this.#value.size / 8) * 8;
    return Array.from({ length: addon.possibleCpus() }, (_, cpu) => this.#value.decode(view, cpu * stride));
  }

  set(key: K, value: V, flags = 0): void {
    this.#value.encode(value, this.#valueView, 0);
    this.native.update(this.#encodeKey(key), this.#valueBytes, flags);
  }

  /** False: it was not there. */
  delete(key: K): boolean {
    return this.native.delete(this.#encodeKey(key));
  }

  /** A row that changes meanwhile shows before, after, or twice: the kernel walks bucket by bucket. */
  *entries(): Generator<readonly [K, V]> {
    this.#refusePerCpu();
    let batch = this.#firstBatch();
    if (batch === undefined) {
      yield* this.#walk();
      return;
    }
    for (;;) {
      const [keys, values] = [viewOf(batch.keys), viewOf(batch.values)];
      for (let i = 0; i < batch.count; i++) {
        yield [this.#key.decode(keys, i * this.#key.size), this.#value.decode(values, i * this.#value.size)];
      }
      if (batch.cursor === undefined) return;
      batch = this.native.lookupBatch(batch.cursor, BATCH);
    }
  }

  /** In order; a KernelError's `applied` counts within the batch that failed, those before it are in force. */
  setMany(rows: readonly (readonly [K, V])[]): void {
    for (let from = 0; from < rows.length; from += BATCH) {
      const some = rows.slice(from, from + BATCH);
      const keys = this.#encodeKeys(some.map(([key]) => key));
      const values = new Uint8Array(some.length * this.#value.size);
      const view = viewOf(values);
      for (const [i, [, value]] of some.entries()) this.#value.encode(value, view, i * this.#value.size);
      this.#updateBatch(keys, values, some.length);
    }
  }

  /** How many were there; absent keys are no error. */
  deleteMany(keys: readonly K[]): number {
    let deleted = 0;
    for (let from = 0; from < keys.length; from += BATCH) {
      const some = keys.slice(from, from + BATCH);
      deleted += this.#deleteBatch(this.#encodeKeys(some), some.length);
    }
    return deleted;
  }

  close(): void {
    this.native.close();
  }

  /** Undefined: this type of map has no batches. */
  #firstBatch(): MapBatch | undefined {
    return unlessUnsupported(() => this.native.lookupBatch(undefined, BATCH));
  }

  #updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    const done = unlessUnsupported(() => {
      this.native.updateBatch(keys, values, count);
      return true;
    });
    if (done === true) return;
    for (let i = 0; i < count; i++) {
      try {
        this.native.update(part(keys, i, this.#key.size), part(values, i, this.#value.size));
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        const { code, errno, op, object } = error;
        throw new KernelError(error.message, { code, errno, op, object, applied: i });
      }
    }
  }

  #deleteBatch(keys: Uint8Array, count: number): number {
    const batch = unlessUnsupported(() => this.native.deleteBatch(keys, count));
    if (batch !== undefined) return batch;
    let deleted = 0;
    for (let i = 0; i < count; i++) if (this.native.delete(part(keys, i, this.#key.size))) deleted++;
    return deleted;
  }

  *#walk(): Generator<readonly [K, V]> {
    for (let key = this.native.nextKey(undefined); key !== undefined; key = this.native.nextKey(key)) {
      const value = this.native.lookup(key);
      if (value !== undefined) yield [this.#key.decode(viewOf(key), 0), this.#value.decode(viewOf(value), 0)];
    }
  }

  #encodeKey(key: K): Uint8Array {
    this.#key.encode(key, this.#keyView, 0);
    return this.#keyBytes;
  }

  #encodeKeys(keys: readonly K[]): Uint8Array {
    const bytes = new Uint8Array(keys.length * this.#key.size);
    const view = viewOf(bytes);
    for (const [i, key] of keys.entries()) this.#key.encode(key, view, i * this.#key.size);
    return bytes;
  }

  #refusePerCpu(): void {
    if (this.#perCpu) throw new TypeError('a per-CPU map has a value for each CPU: use getPerCpu');
  }
}

/** Native code checks buffers of its own calls; a value that is read with too small a codec would pass unseen. */
function checkSizes({ name, keySize, valueSize }: MapInfo, key: number, value: number): void {
  if (keySize === key && valueSize === value) return;
  throw new RangeError(
    `map ${name} has keys of ${keySize} and values of ${valueSize} bytes, its codecs have ${key} and ${value}`,
  );
}

/** The kernel's answer where a type of map has no batches; it comes before anything is done. */
function unlessUnsupported<T>(operation: () => T): T | undefined {
  try {
    return operation();
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENOTSUPP') return undefined;
    throw error;
  }
}

function part(bytes: Uint8Array, index: number, size: number): Uint8Array {
  return bytes.subarray(index * size, (index + 1) * size);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
