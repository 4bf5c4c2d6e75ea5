// SPDX-License-Identifier: Apache-2.0
// The one place where sources put objects and from where the plan takes them. It keeps the last good state of every
// object, joins slices to Services by name, and tells which Services a change touches; it judges nothing.

import { EventEmitter } from 'node:events';
import type { EndpointSlice, Node, ObjectKey, Service } from './types.ts';
import { objectKey, serviceKey } from './types.ts';

export interface StoreEvents {
  /** Something in `takeDirty()` or the node changed. */
  change: [];
}

export interface Unread {
  /** Files, with what is the matter: `/etc/bpfsvc/web.yaml (is empty)`. */
  readonly places: readonly string[];
  /** Services that are named there. */
  readonly services: ReadonlySet<ObjectKey>;
}

export class Store extends EventEmitter<StoreEvents> {
  readonly services = new Map<ObjectKey, Service>();
  /** By key of the Service they belong to. */
  readonly slices = new Map<ObjectKey, readonly EndpointSlice[]>();
  readonly nodes = new Map<string, Node>();

  readonly #dirty = new Set<ObjectKey>();
  readonly #pendingSync = new Set<string>();
  readonly #unread = new Map<string, Unread>();
  #nodeRevision = 0;

  /** Raised whenever a Node changes: everything may have to be planned anew. */
  get nodeRevision(): number {
    return this.#nodeRevision;
  }

  /** Nothing may be removed from the maps while a source has not delivered everything once. */
  get synced(): boolean {
    return this.#pendingSync.size === 0;
  }

  expectSync(source: string): void {
    this.#pendingSync.add(source);
  }

  markSynced(source: string): void {
    if (this.#pendingSync.delete(source)) this.emit('change');
  }

  /** What of a source could not be read since the start, so that it may hold objects which nobody knows. */
  setUnread(source: string, unread: Unread): void {
    const before = this.#unread.get(source);
    if (unread.places.length > 0) this.#unread.set(source, unread);
    else this.#unread.delete(source);
    if (before !== undefined || unread.places.length > 0) this.emit('change');
  }

  /** Places of all sources; while there are any, what is in the maps and in no object may still be wanted. */
  get unreadPlaces(): readonly string[] {
    return [...this.#unread.values()].flatMap(({ places }) => places);
  }

  /** Whether an unread place speaks of this Service: there may be more of it than is known. */
  isPartial(key: ObjectKey): boolean {
    return [...this.#unread.values()].some(({ services }) => services.has(key));
  }

  setService(service: Service): void {
    const key = objectKey(service);
    this.services.set(key, service);
    this.#touch(key);
  }

  deleteService(key: ObjectKey): void {
    if (this.services.delete(key)) this.#touch(key);
  }

  setSlice(slice: EndpointSlice): void {
    const key = serviceKey(slice);
    const others = this.slices.get(key)?.filter(({ name }) => name !== slice.name) ?? [];
    this.slices.set(key, [...others, slice]);
    this.#touch(key);
  }

  deleteSlice(slice: Pick<EndpointSlice, 'namespace' | 'service' | 'name'>): void {
    const key = serviceKey(slice);
    const slices = this.slices.get(key) ?? [];
    const others = slices.filter(({ name }) => name !== slice.name);
    if (others.length === slices.length) return;
    if (others.length > 0) this.slices.set(key, others);
    else this.slices.delete(key);
    this.#touch(key);
  }

  setNode(node: Node): void {
    this.nodes.set(node.name, node);
    this.#nodeRevision++;
    this.emit('change');
  }

  deleteNode(name: string): void {
    if (!this.nodes.delete(name)) return;
    this.#nodeRevision++;
    this.emit('change');
  }

  /** Keys of Services whose Service or slices changed since the last call. */
  takeDirty(): ObjectKey[] {
    const keys = [...this.#dirty];
    this.#dirty.clear();
    return keys;
  }

  #touch(key: ObjectKey): void {
    this.#dirty.add(key);
    this.emit('change');
  }
}
