// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { EndpointSlice } from '../../../../src/model/types.ts';
import { Shared } from '../../../../src/sources/manifests/shared.ts';
import { load, service, slice } from './build.ts';

describe('what many objects have in common', () => {
  it('is there once', () => {
    const endpoints = ['192.0.2.1', '192.0.2.2'].map((address) => ({ addresses: [address], nodeName: 'n' }));
    const { services, slices } = load(
      service('a', { ports: [{ port: 80 }] }),
      service('b', { ports: [{ port: 80 }] }),
      slice('a', { endpoints }),
      slice('b', { endpoints }),
    );
    const states = slices.flatMap((one: EndpointSlice) => one.endpoints.map(({ state }) => state));
    expect(states).toHaveLength(4);
    expect(new Set(states).size).toBe(1);
    expect(slices[0]?.ports).toBe(slices[1]?.ports);
    expect(services[0]?.externalIPs).toBe(services[1]?.externalIPs);
  });
});

describe('a Shared', () => {
  it('gives the first of equals, and remembers a limited number', () => {
    const shared = new Shared<{ readonly n: number }>(({ n }) => String(n));
    const first = shared.one({ n: 0 });
    expect(shared.one({ n: 0 })).toBe(first);
    for (let n = 1; n <= 4096; n++) shared.one({ n });
    expect(shared.one({ n: 0 })).not.toBe(first);
  });
});
