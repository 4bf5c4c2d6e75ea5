// SPDX-License-Identifier: Apache-2.0
// What happens when something of a fixed number is used up, and when there is room again.

import { afterEach, describe, expect, test } from 'vitest';
import type { EndpointSlice } from '../../../src/model/types.ts';
import { SEGMENT_SLOTS } from '../../support/fake-lb-maps.ts';
import { endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import type { StageOptions } from '../../support/stage.ts';
import { Stage } from '../../support/stage.ts';
import { waitFor } from '../../support/wait.ts';

let stage: Stage;

afterEach(async () => {
  await stage.reconciler.stop();
  expect(stage.programs.violations).toEqual([]);
});

function begin(capacity: StageOptions['capacity']): void {
  stage = new Stage(capacity === undefined ? {} : { capacity });
}

const web = serviceRecord('web', ['10.96.0.1']);
const api = serviceRecord('api', ['10.96.0.2']);
const pods = (service: string, first: number, count: number): EndpointSlice =>
  sliceRecord(
    service,
    Array.from({ length: count }, (_, i) => endpoint(`10.1.${(first + i) >> 8}.${(first + i) & 255}`)),
  );

async function problem(): Promise<string> {
  await waitFor('a problem', () => stage.reconciler.problems().length > 0, { intervalMs: 0 });
  return stage.reconciler
    .problems()
    .map(({ service, message }) => `${service}: ${message}`)
    .join('\n');
}

async function settled(): Promise<void> {
  await stage.settled();
  expect(stage.faults()).toEqual([]);
}

function listOf(frontend: string): string | undefined {
  return stage.programs.view().get(frontend)?.split(' | ').at(2);
}

describe('a reconciler that runs out', () => {
  test('of backends names them, leaves the last list in force, and applies the next that fits', async () => {
    begin({ backends: 4 });
    stage.change(web, pods('web', 1, 3));
    await settled();
    const before = listOf('10.96.0.1 80/6');
    stage.change(pods('web', 1, 4));
    expect(await problem()).toBe('default/web: all 4 backend rows are in use (0 of them only by running flows)');
    expect(listOf('10.96.0.1 80/6')).toBe(before);
    stage.change(pods('web', 1, 2));
    await settled();
  });

  test('of backends because of running flows says so, and goes on when these have ended', async () => {
    begin({ backends: 4 });
    stage.change(web, pods('web', 1, 3));
    await settled();
    stage.change(pods('web', 1, 1));
    await settled();
    stage.change(pods('web', 1, 1), pods('web', 7, 2));
    expect(await problem()).toMatch(/\(2 of them only by running flows\)/);
    expect(listOf('10.96.0.1 80/6')).toBe('10.1.0.1:8080');
    stage.reconciler.backends.forget([...stage.reconciler.backends.retired]);
    await settled();
    expect(listOf('10.96.0.1 80/6')).toBe('10.1.0.7:8080 10.1.0.8:8080');
  });

  test('of backends loses neither slots nor rows, however often it tries', async () => {
    begin({ slotSegments: 1, backends: 4 });
    const messages: string[] = [];
    stage.reconciler.on('problem', ({ message }) => messages.push(message));
    stage.change(web, pods('web', 1, 656));
    await waitFor('many tries', () => messages.length > 20, { intervalMs: 0 });
    for (const message of messages) expect(message).toMatch(/^all 4 backend rows are in use/);
    stage.change(pods('web', 1, 1));
    await settled();
    expect(await stage.leftovers()).toEqual([]);
  });

  test('of slots waits until an old table is freed', async () => {
    // No retry comes by itself: it must be the freed table.
    stage = new Stage({ capacity: { slotSegments: 1, backends: 16_384 }, retryMs: 2 ** 30 });
    // Thousands of writes, each looked at, would take long and show nothing new.
    stage.maps.observers = [];
    // 656 backends and more take a table of the largest size.
    const services = Array.from({ length: SEGMENT_SLOTS / 131_072 }, (_, i) =>
      serviceRecord(`s${i}`, [`10.96.0.${i}`]),
    );
    stage.change(...services, ...services.map(({ name }, i) => pods(name, 1000 * i, 656)));
    await settled();
    const before = listOf('10.96.0.0 80/6');
    stage.change(pods('s0', 8000, 656));
    expect(await problem()).toBe(
      'default/s0: no 131071 contiguous slots are free in 1 segments; allow more slot segments',
    );
    expect(listOf('10.96.0.0 80/6')).toBe(before);
    stage.change('s1');
    await settled();
    expect(await stage.leftovers()).toEqual([]);
  });

  test('of nothing uses the slots again that a change sets free, however often', async () => {
    begin({ slotSegments: 1, backends: 16_384 });
    stage.maps.observers = [];
    for (let i = 0; i < (2 * SEGMENT_SLOTS) / 131_072; i++) {
      stage.change(web, pods('web', i, 656));
      await settled();
    }
    expect(await stage.leftovers()).toEqual([]);
  });

  test('of service ids names them, leaves the others alone, and goes on when one is forgotten', async () => {
    begin({ services: 3 });
    stage.change(web, api, pods('web', 1, 1));
    await settled();
    const two = serviceRecord('two', ['10.96.0.3'], { ports: [port(80), port(81, { name: 'other' })] });
    stage.change('api', two, pods('web', 2, 1));
    expect(await problem()).toMatch(
      /^default\/two: all 3 service ids are in use \([01] of them only by running flows\)$/,
    );
    await waitFor('the change of the other', () => listOf('10.96.0.1 80/6') === '10.1.0.2:8080', { intervalMs: 0 });
    await waitFor('the id to retire', () => stage.reconciler.ids.retired.size === 1, { intervalMs: 0 });
    stage.reconciler.ids.forget([...stage.reconciler.ids.retired]);
    stage.change({ ...two, ports: [port(80)] });
    await settled();
    expect(await stage.leftovers()).toEqual([]);
  });

  test('of service ids midway through a Service gives back those that it had got', async () => {
    begin({ services: 4 });
    const ports = ['a', 'b', 'c', 'd'].map((name, i) => port(80 + i, { name }));
    stage.change({ ...web, ports });
    expect(await problem()).toMatch(/^default\/web: all 4 service ids are in use/);
    stage.change('web');
    await settled();
    stage.reconciler.ids.forget([...stage.reconciler.ids.retired]);
    stage.change({ ...api, ports: ports.slice(0, 3) });
    await settled();
    expect(stage.kernel.services.size).toBe(3);
  });

  test('of frontends keeps those that fit, and adds the rest when others go', async () => {
    begin({ frontends: 2 });
    stage.change(web, api);
    await settled();
    const late = serviceRecord('late', ['10.96.0.3']);
    stage.change(late);
    expect(await problem()).toBe('default/late: map frontends is full');
    stage.change('api');
    await settled();
    expect([...stage.kernel.frontends.keys()]).toEqual(['10.96.0.1 80/6', '10.96.0.3 80/6']);
  });

  test('of memory for a slot segment loses nothing and tries again', async () => {
    begin(undefined);
    let failures = 3;
    stage.maps.fails = (operation) => operation === 'slots' && failures-- > 0;
    stage.change(web, pods('web', 1, 2));
    await settled();
    expect(failures).toBeLessThanOrEqual(0);
    expect(stage.kernel.segments).toHaveLength(1);
    expect(await stage.leftovers()).toEqual([]);
  });
});

describe('an id', () => {
  test('of a backend rests while flows may name it; a backend that returns has its own again', async () => {
    begin(undefined);
    stage.change(web, pods('web', 1, 1));
    await settled();
    stage.change(pods('web', 2, 1));
    await settled();
    stage.change(pods('web', 2, 2));
    await settled();
    expect([...stage.kernel.backends].map(([id, { addr }]) => [id, addr])).toEqual([
      [1, '10.1.0.1'],
      [2, '10.1.0.2'],
      [3, '10.1.0.3'],
    ]);
    stage.change(pods('web', 1, 1));
    await settled();
    expect(stage.reconciler.backends.key(1)).toBe('10.1.0.1 8080/TCP');
    expect(stage.kernel.backends.get(1)?.flags).toBe(0);
  });

  test('of a Service that returns is its own again while it is remembered', async () => {
    begin(undefined);
    stage.change(web, api);
    await settled();
    stage.change('web');
    await settled();
    stage.change(serviceRecord('other', ['10.96.0.7']), web);
    await settled();
    const names = new Map([...stage.kernel.services].map(([id, { name }]) => [name, id]));
    expect(names).toEqual(
      new Map([
        ['web', 1],
        ['api', 2],
        ['other', 3],
      ]),
    );
  });
});
