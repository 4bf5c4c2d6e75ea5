// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { Store } from '../../../src/model/store.ts';
import { load, node, service, slice } from '../sources/manifests/build.ts';

function one<T>(values: readonly T[]): T {
  const [value] = values;
  if (value === undefined) throw new Error('there is none');
  return value;
}

const serviceOf = (name: string) => one(load(service(name)).services);
const sliceOf = (name: string) => one(load(slice(name)).slices);
const nodeOf = (name: string) => one(load(node(name)).nodes);

function watched() {
  const store = new Store();
  let changes = 0;
  store.on('change', () => changes++);
  return {
    store,
    /** How often 'change' was told meanwhile. */
    changes: (action: () => void): number => {
      const before = changes;
      action();
      return changes - before;
    },
  };
}

describe('Store', () => {
  it('keeps Services by namespace and name', () => {
    const { store } = watched();
    store.setService(serviceOf('a'));
    expect([...store.services.keys()]).toEqual(['default/a']);
    store.deleteService('default/a');
    expect(store.services.size).toBe(0);
  });

  it('joins slices to the Service they name, also before it is there', () => {
    const { store } = watched();
    const of = sliceOf('a');
    store.setSlice(of);
    expect(store.slices.get('default/a')).toEqual([of]);
    store.deleteSlice(of);
    expect(store.slices.has('default/a')).toBe(false);
  });

  it('names the Services that a change touches, each once, and forgets them when they are taken', () => {
    const { store } = watched();
    store.setService(serviceOf('a'));
    store.setSlice(sliceOf('a'));
    store.setSlice(sliceOf('b'));
    expect(store.takeDirty().sort()).toEqual(['default/a', 'default/b']);
    expect(store.takeDirty()).toEqual([]);
    store.deleteService('default/a');
    expect(store.takeDirty()).toEqual(['default/a']);
    store.deleteSlice(sliceOf('b'));
    expect(store.takeDirty()).toEqual(['default/b']);
  });

  it('tells of a change, but not of the removal of what is not there', () => {
    const { store, changes } = watched();
    expect(
      changes(() => {
        store.setService(serviceOf('a'));
      }),
    ).toBe(1);
    expect(
      changes(() => {
        store.deleteService('default/b');
        store.deleteSlice(sliceOf('a'));
        store.deleteNode('n');
      }),
    ).toBe(0);
    expect(store.takeDirty()).toEqual(['default/a']);
  });

  it('raises the revision of nodes when one comes, changes or goes', () => {
    const { store, changes } = watched();
    expect(
      changes(() => {
        store.setNode(nodeOf('n'));
        store.setNode(nodeOf('n'));
        store.deleteNode('n');
      }),
    ).toBe(3);
    expect(store.nodeRevision).toBe(3);
    expect(store.takeDirty()).toEqual([]);
  });

  it('is synced when every source that was expected has delivered', () => {
    const { store, changes } = watched();
    expect(store.synced).toBe(true);
    store.expectSync('a');
    store.expectSync('b');
    expect(store.synced).toBe(false);
    expect(
      changes(() => {
        store.markSynced('a');
        store.markSynced('a');
      }),
    ).toBe(1);
    expect(store.synced).toBe(false);
    store.markSynced('b');
    expect(store.synced).toBe(true);
  });

  it('knows what of its sources could not be read, and which Services are named there', () => {
    const { store, changes } = watched();
    const nothing = { places: [], services: new Set<string>() };
    expect(
      changes(() => {
        store.setUnread('a', nothing);
      }),
    ).toBe(0);
    expect(
      changes(() => {
        store.setUnread('a', { places: ['a.yaml'], services: new Set(['default/web']) });
        store.setUnread('b', { places: ['b.yaml'], services: new Set() });
      }),
    ).toBe(2);
    expect(store.unreadPlaces).toEqual(['a.yaml', 'b.yaml']);
    expect(store.isPartial('default/web')).toBe(true);
    expect(
      changes(() => {
        store.setUnread('a', nothing);
      }),
    ).toBe(1);
    expect(store.unreadPlaces).toEqual(['b.yaml']);
    expect(store.isPartial('default/web')).toBe(false);
  });
});
