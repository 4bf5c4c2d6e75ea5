// SPDX-License-Identifier: Apache-2.0
// The reconciler on maps in memory. After every single write the observer asks what a client would see then.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Store } from '../../../src/model/store.ts';
import type { Service } from '../../../src/model/types.ts';
import { Reconciler } from '../../../src/reconcile/reconciler.ts';
import { FakeLbMaps } from '../../support/fake-lb-maps.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import { waitFor } from '../../support/wait.ts';

class Bench {
  maps: FakeLbMaps;
  store = new Store();
  reconciler!: Reconciler;

  constructor(maps = new FakeLbMaps()) {
    this.maps = maps;
    this.restart();
  }

  /** As a new process: nothing but the maps is left, and the sources deliver again. */
  restart(): void {
    const before = this.store;
    this.store = new Store();
    for (const service of before.services.values()) this.store.setService(service);
    for (const slices of before.slices.values()) for (const slice of slices.values()) this.store.setSlice(slice);
    this.reconciler = new Reconciler({
      maps: this.maps,
      store: this.store,
      nodeName: 'here',
      tableCap: 131071,
      backoff: () => 1,
    });
    this.reconciler.start();
  }

  async settled(): Promise<void> {
    await this.reconciler.idle();
    await waitFor('no failures', () => this.reconciler.failures === 0);
    await this.reconciler.idle();
  }

  pods(name: string, ...addresses: string[]): void {
    this.store.setSlice(
      sliceRecord(
        name,
        addresses.map((text) => endpoint(text)),
      ),
    );
  }
}

describe('the reconciler', () => {
  test('brings a Service into the maps, follows its endpoints, and takes it out again', async () => {
    const bench = new Bench();
    bench.store.setService(serviceRecord('web', ['10.96.0.1'], { ports: [port(80, { nodePort: 30080 })] }));
    bench.pods('web', '10.1.0.1', '10.1.0.2');
    await bench.settled();
    const both = '10.1.0.1:8080 10.1.0.2:8080';
    const service = 'default/web:http';
    expect(bench.maps.view()).toEqual({
      '10.96.0.1 80/6': { service, internal: both, external: both },
      '0.0.0.0 30080/6': { service, internal: both, external: both },
    });
    bench.pods('web');
    await bench.settled();
    expect(bench.maps.view()['10.96.0.1 80/6']).toEqual({ service, internal: 'reject', external: 'reject' });
    bench.pods('web', '10.1.0.3');
    await bench.settled();
    expect(bench.maps.view()['0.0.0.0 30080/6']?.external).toBe('10.1.0.3:8080');
    bench.store.deleteService('default/web');
    await bench.settled();
    expect(bench.maps.view()).toEqual({});
  });

  test('changes a backend list by one store to the set, after everything that it leads to', async () => {
    const bench = new Bench();
    bench.store.setService(serviceRecord('web', ['10.96.0.1']));
    bench.pods('web', '10.1.0.1');
    await bench.settled();
    bench.maps.writes.length = 0;
    bench.pods('web', '10.1.0.1', '10.1.0.2');
    await bench.settled();
    expect(bench.maps.writes).toEqual(['backend 2', 'set 2']);
  });

  test('writes nothing after a restart when nothing has changed', async () => {
    const bench = new Bench();
    for (let i = 1; i < 20; i++) {
      bench.store.setService(serviceRecord(`s${i}`, [`10.96.0.${i}`]));
      bench.pods(`s${i}`, `10.1.0.${i}`, '10.1.1.1');
    }
    await bench.settled();
    await bench.reconciler.stop();
    bench.maps.writes.length = 0;
    bench.restart();
    await bench.settled();
    expect(bench.maps.writes).toEqual([]);
  });

  test('removes after a restart what is wanted no more, and not before every source has delivered', async () => {
    const bench = new Bench();
    bench.store.setService(serviceRecord('old', ['10.96.0.1']));
    await bench.settled();
    await bench.reconciler.stop();
    bench.store = new Store();
    bench.store.expectSync('test');
    const store = bench.store;
    bench.reconciler = new Reconciler({ maps: bench.maps, store, nodeName: 'here', tableCap: 251 });
    bench.reconciler.start();
    await bench.reconciler.idle();
    expect(Object.keys(bench.maps.view())).toEqual(['10.96.0.1 80/6']);
    store.markSynced('test');
    await bench.settled();
    expect(bench.maps.view()).toEqual({});
  });

  test('gives a frontend that two Services want to the first, names the loser, and lets it follow', async () => {
    const bench = new Bench();
    const shared = { externalIPs: [address('192.0.2.9')] };
    bench.store.setService(serviceRecord('first', ['10.96.0.1'], shared));
    await bench.settled();
    bench.store.setService(serviceRecord('second', ['10.96.0.2'], shared));
    await bench.settled();
    expect(bench.maps.view()['192.0.2.9 80/6']?.service).toBe('default/first:http');
    expect(bench.reconciler.problems()).toEqual([
      { service: 'default/second', message: expect.stringContaining('belongs to default/first') as string },
    ]);
    bench.store.deleteService('default/first');
    await bench.settled();
    expect(bench.maps.view()['192.0.2.9 80/6']?.service).toBe('default/second:http');
    expect(bench.reconciler.problems()).toEqual([]);
  });

  test('moves a frontend from one Service to another without a moment when it is missing', async () => {
    const bench = new Bench();
    bench.store.setService(serviceRecord('blue', ['10.96.0.1']));
    bench.pods('blue', '10.1.0.1');
    bench.pods('green', '10.1.0.2');
    await bench.settled();
    const seen: string[] = [];
    bench.maps.observer = () => seen.push(bench.maps.view()['10.96.0.1 80/6']?.internal ?? 'missing');
    bench.store.deleteService('default/blue');
    bench.store.setService(serviceRecord('green', ['10.96.0.1']));
    await bench.settled();
    expect(new Set(seen)).toEqual(new Set(['10.1.0.1:8080', '10.1.0.2:8080']));
    expect(bench.maps.view()['10.96.0.1 80/6']?.service).toBe('default/green:http');
  });

  test('names what is used up, keeps the last good state, and goes on when there is room', async () => {
    const bench = new Bench(new FakeLbMaps({ backends: 4 }));
    bench.store.setService(serviceRecord('web', ['10.96.0.1']));
    bench.pods('web', '10.1.0.1', '10.1.0.2', '10.1.0.3');
    await bench.settled();
    bench.pods('web', '10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4');
    await bench.reconciler.idle();
    await waitFor('a problem', () => bench.reconciler.problems().length > 0);
    expect(bench.reconciler.problems()[0]?.message).toMatch(/all 4 backend rows are in use/);
    expect(bench.maps.view()['10.96.0.1 80/6']?.internal).toBe('10.1.0.1:8080 10.1.0.2:8080 10.1.0.3:8080');
    bench.pods('web', '10.1.0.1');
    await bench.settled();
    expect(bench.maps.view()['10.96.0.1 80/6']?.internal).toBe('10.1.0.1:8080');
  });

  test('gives no id again while something may name it, and a backend that returns its own', async () => {
    const bench = new Bench();
    bench.store.setService(serviceRecord('web', ['10.96.0.1']));
    bench.pods('web', '10.1.0.1');
    await bench.settled();
    bench.pods('web', '10.1.0.2');
    await bench.settled();
    await waitFor('the first to retire', () => bench.reconciler.backends.retired.has(1));
    bench.pods('web', '10.1.0.2', '10.1.0.3');
    await bench.settled();
    expect([...bench.maps.backends()].map(([id, { addr }]) => [id, addr])).toEqual([
      [1, '10.1.0.1'],
      [2, '10.1.0.2'],
      [3, '10.1.0.3'],
    ]);
    bench.pods('web', '10.1.0.1');
    await bench.settled();
    expect(bench.reconciler.backends.key(1)).toBe('10.1.0.1 8080/TCP');
    expect(bench.reconciler.backends.retired.has(1)).toBe(false);
  });
});

type Step =
  | { kind: 'service'; n: number; ip: number; nodePort: boolean }
  | { kind: 'delete'; n: number }
  | { kind: 'pods'; n: number; pods: number[] }
  | { kind: 'restart' }
  | { kind: 'settle' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('service'), n: fc.nat(4), ip: fc.nat(5), nodePort: fc.boolean() } as const),
  fc.record({ kind: fc.constant('delete'), n: fc.nat(4) } as const),
  fc.record({ kind: fc.constant('pods'), n: fc.nat(4), pods: fc.uniqueArray(fc.nat(6), { maxLength: 4 }) } as const),
  fc.constant({ kind: 'restart' } as const),
  fc.constant({ kind: 'settle' } as const),
);

async function apply(bench: Bench, one: Step): Promise<void> {
  switch (one.kind) {
    case 'service':
      bench.store.setService(
        serviceRecord(`s${one.n}`, [`10.96.0.${one.ip}`], {
          ports: [port(80, { nodePort: one.nodePort ? 30000 + one.n : 0 })],
        }),
      );
      return;
    case 'delete':
      bench.store.deleteService(`default/s${one.n}`);
      return;
    case 'pods':
      bench.pods(`s${one.n}`, ...one.pods.map((pod) => `10.1.0.${pod + 1}`));
      return;
    case 'restart':
      await bench.reconciler.stop();
      bench.restart();
      return;
    case 'settle':
      await bench.settled();
  }
}

/** The cluster IPs' and node ports' owners cannot be told from the objects alone where two want one: any of them will do. */
function expected(services: Iterable<Service>, pods: (name: string) => string): Map<string, Set<string>> {
  const wanted = new Map<string, Set<string>>();
  for (const { name, clusterIPs, ports } of services) {
    const keys = [
      ...clusterIPs.map((ip) => `${ip} 80/6`),
      ...ports.flatMap((of) => (of.nodePort ? [`0.0.0.0 ${of.nodePort}/6`] : [])),
    ];
    for (const key of keys) wanted.set(key, (wanted.get(key) ?? new Set()).add(`default/${name}:http ${pods(name)}`));
  }
  return wanted;
}

test('whatever changes, fails and restarts, a client never meets a hole, and the maps end as the objects say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer(), async (steps, seed) => {
      const bench = new Bench();
      let random = seed;
      bench.maps.fails = () => {
        random = (Math.imul(random, 1664525) + 1013904223) | 0;
        return (random >>> 0) / 2 ** 32 < 0.1;
      };
      // view() throws where a frontend leads to a row, slot or backend that is not there.
      bench.maps.observer = () => void bench.maps.view();
      for (const one of steps) await apply(bench, one);
      await bench.settled();
      const podsOf = (name: string): string => {
        const endpoints = [...(bench.store.slices.get(`default/${name}`)?.values() ?? [])].flatMap((s) => s.endpoints);
        return (
          endpoints
            .map(({ address: text }) => `${text}:8080`)
            .sort()
            .join(' ') || 'reject'
        );
      };
      const wanted = expected(bench.store.services.values(), podsOf);
      const seen = bench.maps.view();
      expect(Object.keys(seen).sort()).toEqual([...wanted.keys()].sort());
      for (const [key, { service, internal }] of Object.entries(seen)) {
        expect([...(wanted.get(key) ?? [])]).toContain(`${service} ${internal}`);
      }
      await bench.reconciler.stop();
    }),
    { numRuns: 150 },
  );
});
