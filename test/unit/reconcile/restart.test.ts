// SPDX-License-Identifier: Apache-2.0
// Agents that end, in order or not, and those that come after them.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Store } from '../../../src/model/store.ts';
import { oneInTen, testSeed } from '../../support/chance.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import type { Change } from '../../support/stage.ts';
import { Stage } from '../../support/stage.ts';
import { waitFor } from '../../support/wait.ts';

let stage: Stage;

const web = serviceRecord('web', ['10.96.0.1', 'fd00::1'], { ports: [port(80, { nodePort: 30080 })] });
const api = serviceRecord('api', ['10.96.0.2'], {
  externalTrafficPolicy: 'Local',
  externalIPs: [address('192.0.2.1')],
});
const idle = serviceRecord('idle', ['10.96.0.3']);
const loser = serviceRecord('loser', ['10.96.0.1']);
const pods = (service: string, ...addresses: string[]): ReturnType<typeof sliceRecord> =>
  sliceRecord(
    service,
    addresses.map((text) => endpoint(text, { nodeName: text.endsWith('1') ? 'here' : 'there' })),
  );

async function settle(...objects: Change[]): Promise<void> {
  stage.change(...objects);
  await stage.settled();
  expect(stage.faults()).toEqual([]);
}

beforeEach(async () => {
  stage = new Stage();
  await settle(web, api, idle, pods('web', '10.1.0.1', '10.1.0.2'), pods('api', '10.1.0.1', '10.1.0.2'));
});

afterEach(() => stage.reconciler.stop());

describe('a restarted agent', () => {
  test('writes nothing when nothing has changed', async () => {
    await settle(loser, pods('loser', '10.1.0.3'));
    await stage.restart();
    await stage.settled();
    expect(stage.maps.writes).toEqual([]);
    expect(stage.reconciler.problems()).toHaveLength(1);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('writes what has changed while there was none, and no more', async () => {
    await stage.reconciler.stop();
    stage.change('idle', pods('api', '10.1.0.1'));
    stage.start();
    await stage.settled();
    expect(stage.faults()).toEqual([]);
    // The shorter list exists already: it is that of the local endpoints.
    expect(stage.maps.writes).toEqual(['set 6', 'no frontend 10.96.0.3 80/6', 'no address 10.96.0.3']);
  });

  test('removes nothing before every source has delivered', async () => {
    await stage.reconciler.stop();
    const { services } = stage.store;
    stage.store = new Store();
    stage.start('a source');
    await stage.settled();
    expect(stage.maps.writes).toEqual([]);
    for (const service of services.values()) if (service.name !== 'idle') stage.store.setService(service);
    await stage.settled();
    expect(stage.maps.writes).toEqual([]);
    expect(stage.reconciler.ready).toBe(false);
    stage.permit();
    stage.store.markSynced('a source');
    await waitFor('the first round', () => stage.reconciler.ready, { intervalMs: 0 });
    await stage.settled();
    expect(stage.kernel.frontends.has('10.96.0.3 80/6')).toBe(false);
  });

  test('leaves alone what stands behind the slots of a table: the members, for session affinity', async () => {
    const four = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4'];
    await settle(serviceRecord('sticky', ['10.96.0.8'], { affinitySeconds: 60 }), pods('sticky', ...four));
    const before = [...(stage.kernel.segments[0] ?? [])];
    await stage.restart();
    // Enough of them to take all that is free between the tables.
    for (let n = 10; n < 20; n++) {
      const backends = [7, 8, 9].map((last) => `10.1.${n}.${last}`);
      await settle(serviceRecord(`new-${n}`, [`10.96.0.${n}`]), pods(`new-${n}`, ...backends));
    }
    const after = stage.kernel.segments[0] ?? [];
    expect(before.map((id, slot) => (id === 0 ? 0 : after[slot]))).toEqual(before);
  });

  test('gives ids of its own to what is new', async () => {
    await stage.restart();
    await settle(serviceRecord('new', ['10.96.0.9']), pods('new', '10.1.0.9'));
    expect([...stage.kernel.services.keys()]).toHaveLength(new Set(stage.kernel.services.keys()).size);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('takes over the retired, and forgets them when nothing names them', async () => {
    await settle('web', 'api', pods('idle', '10.1.0.7'));
    await stage.restart();
    await stage.settled();
    expect(await stage.leftovers()).toEqual([]);
    expect(stage.kernel.services.size).toBe(1);
    expect(stage.kernel.backends.size).toBe(1);
  });

  test('makes tables anew when their largest size has changed, and frees the old', async () => {
    const many = Array.from({ length: 6 }, (_, i) => `10.2.0.${i + 1}`);
    await stage.reconciler.stop();
    stage = new Stage({ tableCap: 131071 });
    await settle(web, pods('web', ...many));
    await stage.reconciler.stop();
    const { kernel } = stage;
    stage = new Stage({ tableCap: 251, kernel });
    await settle(web, pods('web', ...many));
    expect(await stage.leftovers()).toEqual([]);
  });

  test('repairs a set that leads to slots which name no backend', async () => {
    await stage.reconciler.stop();
    stage.kernel.segments[0]?.fill(77, 0, 4);
    stage.start();
    await waitFor('the repair', () => stage.reconciler.isIdle, { intervalMs: 0 });
    stage.programs.violations.length = 0;
    expect(stage.faults()).toEqual([]);
    await settle(pods('web', '10.1.0.8'), pods('api', '10.1.0.9'));
    expect(await stage.leftovers()).toEqual([]);
  });

  test('removes frontends of no Service, and says why it cannot as long as it cannot', async () => {
    await stage.reconciler.stop();
    const row = { service: 99, setInternal: 198, setExternal: 198, affinityS: 0, flags: 1 };
    const stray = { addr: address('10.96.7.7'), port: 80, proto: 6 } as const;
    stage.kernel.frontends.set('10.96.7.7 80/6', [stray, row]);
    let refused = 2;
    const reasons: unknown[] = [];
    stage.start();
    stage.reconciler.on('error', () => reasons.push(stage.reconciler.setback));
    stage.maps.fails = (operation) => operation === 'deleteFrontends' && refused-- > 0;
    await waitFor('the stray to go', () => stage.reconciler.isIdle, { intervalMs: 0 });
    expect(stage.kernel.frontends.has('10.96.7.7 80/6')).toBe(false);
    expect(reasons).toEqual(Array(2).fill('injected failure of deleteFrontends'));
    expect(stage.reconciler.setback).toBeUndefined();
  });
});

/** Changes that take one to some dozens of writes each. */
const changes: readonly (readonly Change[])[] = [
  [pods('web', '10.1.0.2', '10.1.0.3')],
  [pods('web')],
  [pods('web', '10.1.0.4')],
  ['web', { ...web, name: 'site' }, pods('site', '10.1.0.4')],
  [{ ...api, externalTrafficPolicy: 'Cluster', internalTrafficPolicy: 'Local' }],
  [{ ...api, ports: [port(80, { name: 'renamed' })] }],
  ['api', 'idle'],
  [api, idle, pods('idle', '10.1.0.9')],
];

describe('an agent that is killed', () => {
  test('between any two writes leaves maps that serve, and that the next one completes', async () => {
    for (let writes = 0, killed = true; killed; writes++) {
      await stage.reconciler.stop();
      stage = new Stage();
      await settle(web, api, idle, pods('web', '10.1.0.1', '10.1.0.2'), pods('api', '10.1.0.1', '10.1.0.2'));
      killed = false;
      for (const objects of changes) {
        stage.change(...objects);
        if (await stage.kill(writes)) killed = true;
        await stage.settled();
        expect(stage.faults()).toEqual([]);
      }
      expect(await stage.leftovers()).toEqual([]);
    }
  });

  test('again and again, with one operation in ten failing, is outlived by the maps', async () => {
    const { kernel } = stage;
    await stage.reconciler.stop();
    stage = new Stage({ kernel, fails: oneInTen(testSeed()) });
    await settle(web, api, idle, pods('web', '10.1.0.1', '10.1.0.2'), pods('api', '10.1.0.1', '10.1.0.2'));
    for (const objects of changes) {
      stage.change(...objects);
      for (let i = 0; i < 10; i++) await stage.kill(2);
      await stage.settled();
      expect(stage.faults()).toEqual([]);
    }
    expect(await stage.leftovers()).toEqual([]);
  });
});
