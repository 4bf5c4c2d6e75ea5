// SPDX-License-Identifier: Apache-2.0
// An agent that starts and cannot read everything: what worked goes on working, what it knows it applies, and what
// nobody wants goes when everything can be read.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Store } from '../../../src/model/store.ts';
import type { EndpointSlice, Service } from '../../../src/model/types.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import { naivePorts } from '../../support/naive-plan.ts';
import type { Change } from '../../support/stage.ts';
import { NODE, Stage } from '../../support/stage.ts';
import { waitFor } from '../../support/wait.ts';

const web = serviceRecord('web', ['10.96.0.1', 'fd00::1'], { ports: [port(80, { nodePort: 30080 })] });
const api = serviceRecord('api', ['10.96.0.2'], {
  externalTrafficPolicy: 'Local',
  externalIPs: [address('192.0.2.1')],
  affinitySeconds: 600,
});
const idle = serviceRecord('idle', ['10.96.0.3']);
const pods = (service: string, ...addresses: string[]): ReturnType<typeof sliceRecord> =>
  sliceRecord(
    service,
    addresses.map((text) => endpoint(text, { nodeName: text.endsWith('1') ? 'here' : 'there' })),
  );
let stage: Stage;
let before: Map<string, string>;

beforeEach(async () => {
  stage = new Stage();
  stage.change(web, api, idle, pods('web', '10.1.0.1', '10.1.0.2'), pods('api', '10.1.0.1', '10.1.0.3'));
  await stage.settled();
  before = stage.programs.view();
});

afterEach(async () => {
  await stage.reconciler.stop();
  expect(stage.programs.violations).toEqual([]);
});

/** A new agent to which the sources deliver only these, because of a file that it cannot read; nothing may be missing. */
async function restartWith(objects: readonly Change[], partial: readonly string[] = []): Promise<void> {
  const { steady } = stage.programs;
  await stage.reconciler.stop();
  stage.store = new Store();
  stage.change(...objects);
  stage.start('files');
  for (const frontend of before.keys()) steady.add(frontend);
  stage.store.setUnread('files', { places: ['broken.yaml'], services: new Set(partial) });
  stage.store.markSynced('files');
  await done();
}

/** The file can be read: these are the objects that were in it. */
async function read(...objects: readonly Change[]): Promise<void> {
  stage.change(...objects);
  stage.store.setUnread('files', { places: [], services: new Set() });
  await done();
}

async function done(): Promise<void> {
  await waitFor('the reconciler to be done', () => stage.reconciler.ready && stage.reconciler.isIdle, {
    intervalMs: 0,
  });
}

/** What programs may see, too: a mixture that no objects say. */
function allow(service: Service, ...slices: readonly EndpointSlice[]): void {
  stage.programs.permit(naivePorts(service, slices, NODE));
}

/** These may be missing from now on. */
function release(...frontends: string[]): void {
  for (const frontend of frontends) stage.programs.steady.delete(frontend);
}

function lists(frontend: string): string[] | undefined {
  return stage.programs.view().get(frontend)?.split(' | ').slice(2);
}

const bothPods = '10.1.0.1:8080 10.1.0.2:8080';

describe('an agent that could not read everything at its start', () => {
  test('writes nothing for what it does not know', async () => {
    await restartWith([]);
    expect(stage.maps.writes).toEqual([]);
    expect(stage.reconciler.kept()).toMatchObject({
      services: ['default/api', 'default/idle', 'default/web'],
      lists: [],
    });
  });

  test('adds and changes what it knows', async () => {
    const late = serviceRecord('late', ['10.96.0.9']);
    await restartWith([web, pods('web', '10.1.0.4'), late, pods('late', '10.1.0.1')]);
    expect(lists('0.0.0.0 30080/6')).toEqual(['10.1.0.4:8080', '10.1.0.4:8080']);
    expect(lists('10.96.0.9 80/6')).toEqual(['10.1.0.1:8080', '10.1.0.1:8080']);
    expect(stage.programs.view().get('192.0.2.1 80/6')).toBe(before.get('192.0.2.1 80/6'));
    // Of its IPv6 port no slice is known.
    expect(stage.reconciler.kept()).toMatchObject({
      services: ['default/api', 'default/idle'],
      lists: ['default/web'],
    });
  });

  test('keeps the backends of a Service whose slices it does not know, behind changed frontends, too', async () => {
    const changed = { ...web, ports: [port(81, { nodePort: 30080 })] };
    allow(changed, pods('web', '10.1.0.1', '10.1.0.2'));
    before.delete('10.96.0.1 80/6');
    before.delete('fd00::1 80/6');
    await restartWith([changed, api, idle]);
    expect(lists('10.96.0.1 81/6')).toEqual([bothPods, bothPods]);
    expect(lists('0.0.0.0 30080/6')).toEqual([bothPods, bothPods]);
    expect(lists('10.96.0.1 80/6')).toBeUndefined();
    expect(lists('192.0.2.1 80/6')).toEqual(['10.1.0.1:8080 10.1.0.3:8080', '10.1.0.1:8080']);
  });

  test('knows which of the kept backends are on this node when a Service turns to these', async () => {
    const turned = { ...web, externalTrafficPolicy: 'Local' as const };
    allow(turned, pods('web', '10.1.0.1', '10.1.0.2'));
    await restartWith([turned]);
    expect(lists('0.0.0.0 30080/6')).toEqual([bothPods, '10.1.0.1:8080']);
  });

  test('and those of a list of this node when a Service turns to all', async () => {
    const inside = { ...idle, internalTrafficPolicy: 'Local' as const };
    await stage.reconciler.stop();
    stage.start();
    stage.change(inside, pods('idle', '10.1.0.1', '10.1.0.2'));
    await stage.settled();
    expect(lists('10.96.0.3 80/6')).toEqual(['10.1.0.1:8080', '10.1.0.1:8080']);
    allow(idle, pods('idle', '10.1.0.1'));
    await restartWith([idle]);
    expect(lists('10.96.0.3 80/6')).toEqual(['10.1.0.1:8080', '10.1.0.1:8080']);
  });

  test('keeps nothing of a port that its Service has no more, nor of what was on its way out', async () => {
    stage.change('idle');
    await stage.settled();
    before.delete('10.96.0.3 80/6');
    expect([...stage.kernel.services.values()].map(({ name }) => name)).toContain('idle');
    const renamed = { ...web, clusterIPs: [address('10.96.0.1')], ports: [port(80, { name: 'other' })] };
    const slice = sliceRecord('web', [endpoint('10.1.0.2')], { portName: 'other' });
    allow(renamed, slice);
    for (const frontend of ['fd00::1 80/6', '0.0.0.0 30080/6', ':: 30080/6']) before.delete(frontend);
    await restartWith([renamed, slice]);
    expect(lists('10.96.0.1 80/6')).toEqual(['10.1.0.2:8080', '10.1.0.2:8080']);
    expect(stage.reconciler.kept()).toMatchObject({ services: ['default/api'], lists: [] });
  });

  test('follows the slices of a Service that it does not know', async () => {
    allow(api, pods('api', '10.1.0.1', '10.1.0.5'));
    allow(api, pods('api', '10.1.0.7'));
    await restartWith([pods('api', '10.1.0.1', '10.1.0.5')]);
    expect(lists('192.0.2.1 80/6')).toEqual(['10.1.0.1:8080 10.1.0.5:8080', '10.1.0.1:8080']);
    stage.change(pods('api', '10.1.0.7'));
    await done();
    expect(lists('192.0.2.1 80/6')).toEqual(['10.1.0.7:8080', 'drop']);
  });

  test('takes no backend from a list that it knows in part, but those that it has known', async () => {
    const named = (...addresses: string[]): void => {
      allow(web, pods('web', ...addresses));
    };
    named('10.1.0.2', '10.1.0.4');
    named('10.1.0.1', '10.1.0.2', '10.1.0.4');
    named('10.1.0.2', '10.1.0.6');
    await restartWith([web, pods('web', '10.1.0.1', '10.1.0.4')], ['default/web']);
    expect(lists('10.96.0.1 80/6')).toEqual(Array(2).fill('10.1.0.1:8080 10.1.0.2:8080 10.1.0.4:8080'));
    stage.change(pods('web', '10.1.0.6'));
    await done();
    expect(lists('10.96.0.1 80/6')).toEqual(Array(2).fill('10.1.0.2:8080 10.1.0.6:8080'));
  });

  test('lets a backend that is not ready go, although no other one is left of the list', async () => {
    const slice = { ...pods('web'), endpoints: [endpoint('10.1.0.1', { ready: false }), endpoint('10.1.0.2')] };
    await restartWith([web, slice], ['default/web']);
    expect(lists('10.96.0.1 80/6')).toEqual(['10.1.0.2:8080', '10.1.0.2:8080']);
  });

  test('removes what it has known', async () => {
    await restartWith([web, pods('web', '10.1.0.1', '10.1.0.2'), idle]);
    release('10.96.0.1 80/6', '0.0.0.0 30080/6', 'fd00::1 80/6', ':: 30080/6');
    stage.change('web');
    await done();
    expect([...stage.programs.view().keys()]).toEqual(['10.96.0.2 80/6', '192.0.2.1 80/6', '10.96.0.3 80/6']);
    allow(idle, pods('idle', '10.1.0.8'));
    stage.change(pods('idle', '10.1.0.8'));
    await done();
    stage.change({ ...pods('idle'), family: 4 });
    await done();
    expect(lists('10.96.0.3 80/6')).toEqual(['reject', 'reject']);
  });

  test('leaves a frontend to the Service that it does not know, and passes it on without a gap', async () => {
    const heir = serviceRecord('heir', ['10.96.0.1']);
    allow(heir, pods('heir', '10.1.0.9'));
    await restartWith([heir, pods('heir', '10.1.0.9')]);
    expect(stage.reconciler.problems().map(({ message }) => message)).toEqual([
      'frontend 10.96.0.1 80/tcp belongs to default/web; give one of them another address or port',
    ]);
    release(...[...before.keys()].filter((frontend) => frontend !== '10.96.0.1 80/6'));
    await read();
    expect([...stage.programs.view().keys()]).toEqual(['10.96.0.1 80/6']);
    expect(lists('10.96.0.1 80/6')).toEqual(['10.1.0.9:8080', '10.1.0.9:8080']);
  });
});

describe('when everything can be read', () => {
  test('nothing is written if nothing has changed', async () => {
    await restartWith([idle]);
    await read(web, api, pods('web', '10.1.0.1', '10.1.0.2'), pods('api', '10.1.0.1', '10.1.0.3'));
    expect(stage.maps.writes).toEqual([]);
    expect(stage.reconciler.kept()).toMatchObject({ services: [], lists: [] });
  });

  test('Services, frontends and backends go that nobody wants', async () => {
    await restartWith([idle, api]);
    allow(api);
    release('10.96.0.1 80/6', '0.0.0.0 30080/6', 'fd00::1 80/6', ':: 30080/6');
    await read();
    await stage.settled();
    expect(stage.faults()).toEqual([]);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('it is told, as it was told before what is kept', async () => {
    const told: unknown[] = [];
    await stage.reconciler.stop();
    stage.start('files');
    stage.reconciler.on('keeping', (kept) => told.push(kept));
    stage.reconciler.on('released', () => told.push('released'));
    stage.store.deleteService('default/idle');
    stage.store.setUnread('files', { places: ['broken.yaml'], services: new Set() });
    stage.store.markSynced('files');
    await done();
    stage.store.setUnread('files', { places: ['other.yaml'], services: new Set() });
    await done();
    release('10.96.0.3 80/6');
    await read();
    expect(told).toEqual([{ services: ['default/idle'], lists: ['default/web'], unread: ['broken.yaml'] }, 'released']);
  });

  test('later files that cannot be read keep nothing', async () => {
    await restartWith([web]);
    await read(api, idle, pods('web', '10.1.0.1', '10.1.0.2'), pods('api', '10.1.0.1', '10.1.0.3'));
    stage.store.setUnread('files', { places: ['new.yaml'], services: new Set() });
    release('10.96.0.3 80/6');
    stage.change('idle');
    await done();
    expect(lists('10.96.0.3 80/6')).toBeUndefined();
  });
});
