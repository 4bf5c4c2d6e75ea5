// SPDX-License-Identifier: Apache-2.0
// What the store was given, and the differences to what it is to have: an object that says the same as before is not
// given again, however often its file is written.

import { isDeepStrictEqual } from 'node:util';
import type { Store } from '../../model/store.ts';
import type { Resolved } from './resolve.ts';

export interface Delivered {
  readonly set: number;
  readonly deleted: number;
}

export class Delivery {
  readonly #store: Store;
  #had: Pick<Resolved, 'nodes' | 'services' | 'slices'> = { nodes: new Map(), services: new Map(), slices: new Map() };

  constructor(store: Store) {
    this.#store = store;
  }

  /** First what is new, so that nothing is ever missing that is in both. */
  deliver(wanted: Resolved): Delivered {
    const store = this.#store;
    const had = this.#had;
    this.#had = wanted;
    const set =
      put(had.nodes, wanted.nodes, (node) => {
        store.setNode(node);
      }) +
      put(had.slices, wanted.slices, (slice) => {
        store.setSlice(slice);
      }) +
      put(had.services, wanted.services, (service) => {
        store.setService(service);
      });
    const deleted =
      remove(had.services, wanted.services, (_, key) => {
        store.deleteService(key);
      }) +
      remove(had.slices, wanted.slices, (slice) => {
        store.deleteSlice(slice);
      }) +
      remove(had.nodes, wanted.nodes, (_, name) => {
        store.deleteNode(name);
      });
    return { set, deleted };
  }
}

function put<T>(had: ReadonlyMap<string, T>, wanted: ReadonlyMap<string, T>, give: (value: T) => void): number {
  let count = 0;
  for (const [key, value] of wanted) {
    const before = had.get(key);
    if (before === value || isDeepStrictEqual(before, value)) continue;
    give(value);
    count++;
  }
  return count;
}

function remove<T>(
  had: ReadonlyMap<string, T>,
  wanted: ReadonlyMap<string, T>,
  take: (value: T, key: string) => void,
): number {
  let count = 0;
  for (const [key, value] of had) {
    if (wanted.has(key)) continue;
    take(value, key);
    count++;
  }
  return count;
}
