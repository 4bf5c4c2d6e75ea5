// SPDX-License-Identifier: Apache-2.0
// What the store was given, and the differences to what it is to have: an object that says the same as before is not
// given again, however often its file is written.

import { isDeepStrictEqual } from 'node:util';
import type { Store } from '../../model/store.ts';
import type { EndpointSlice, Node, ObjectKey, Service } from '../../model/types.ts';
import type { Resolved } from './resolve.ts';

export interface Delivered {
  readonly set: number;
  readonly deleted: number;
}

export class Delivery {
  readonly #store: Store;
  readonly #services = new Map<ObjectKey, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #nodes = new Map<string, Node>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** First what is new, so that nothing is ever missing that is in both. */
  deliver({ nodes, services, slices }: Resolved): Delivered {
    const store = this.#store;
    const set =
      put(this.#nodes, nodes, (node) => {
        store.setNode(node);
      }) +
      put(this.#slices, slices, (slice) => {
        store.setSlice(slice);
      }) +
      put(this.#services, services, (service) => {
        store.setService(service);
      });
    const deleted =
      remove(this.#services, services, (_, key) => {
        store.deleteService(key);
      }) +
      remove(this.#slices, slices, (slice) => {
        store.deleteSlice(slice);
      }) +
      remove(this.#nodes, nodes, (_, name) => {
        store.deleteNode(name);
      });
    return { set, deleted };
  }
}

function put<T>(had: Map<string, T>, wanted: ReadonlyMap<string, T>, give: (value: T) => void): number {
  let count = 0;
  for (const [key, value] of wanted) {
    const before = had.get(key);
    if (before === value) continue;
    had.set(key, value);
    if (isDeepStrictEqual(before, value)) continue;
    give(value);
    count++;
  }
  return count;
}

function remove<T>(had: Map<string, T>, wanted: ReadonlyMap<string, T>, take: (value: T, key: string) => void): number {
  let count = 0;
  for (const [key, value] of had) {
    if (wanted.has(key)) continue;
    had.delete(key);
    take(value, key);
    count++;
  }
  return count;
}
