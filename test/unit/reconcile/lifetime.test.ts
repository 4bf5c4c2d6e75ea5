// SPDX-License-Identifier: Apache-2.0
// What becomes of a Service in the maps while its objects change. One fallible operation in ten fails and is tried
// again; programs look after every write.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { oneInTen, testSeed } from '../../support/chance.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import { Stage } from '../../support/stage.ts';

let stage: Stage;

beforeEach(() => {
  stage = new Stage({ fails: oneInTen(testSeed()) });
});

afterEach(() => stage.reconciler.stop());

async function expectSettled(frontends: number): Promise<void> {
  await stage.settled();
  expect(stage.faults()).toEqual([]);
  expect(stage.kernel.frontends.size).toBe(frontends);
}

const web = serviceRecord('web', ['10.96.0.1', 'fd00::1'], { ports: [port(80, { nodePort: 30080 })] });
const podsOf = (service: string, ...addresses: string[]): ReturnType<typeof sliceRecord> =>
  sliceRecord(
    service,
    addresses.map((text) => endpoint(text)),
  );

describe('a Service', () => {
  test('appears with its frontends, follows its endpoints to none and back, and leaves nothing behind', async () => {
    stage.change(web, podsOf('web', '10.1.0.1', '10.1.0.2'));
    await expectSettled(4);
    stage.change(podsOf('web', '10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4'));
    await expectSettled(4);
    stage.change(podsOf('web'));
    await expectSettled(4);
    stage.change(podsOf('web', '10.1.0.2'));
    await expectSettled(4);
    expect(await stage.leftovers()).toEqual([]);
    stage.change('web');
    await expectSettled(0);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('that is renamed hands its frontends over', async () => {
    stage.change(web, podsOf('web', '10.1.0.1'));
    await expectSettled(4);
    stage.change('web', { ...web, name: 'site' }, podsOf('site', '10.1.0.1'));
    await expectSettled(4);
    expect(stage.programs.view().get('10.96.0.1 80/6')).toMatch(/^default\/site:/);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('whose port is renamed or renumbered has the new one and not the old', async () => {
    stage.change(web, podsOf('web', '10.1.0.1'));
    await expectSettled(4);
    const renamed = { ...web, ports: [port(80, { name: 'www', nodePort: 30080 })] };
    stage.change(renamed, sliceRecord('web', [endpoint('10.1.0.1')], { portName: 'www' }));
    await expectSettled(4);
    stage.change({ ...renamed, ports: [port(8000, { name: 'www', nodePort: 30081 })] });
    await expectSettled(4);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('that becomes headless and has a cluster IP again goes and returns', async () => {
    stage.change(web, podsOf('web', '10.1.0.1'));
    await expectSettled(4);
    stage.change({ ...web, clusterIPs: [] });
    await expectSettled(0);
    stage.change({ ...web, clusterIPs: [address('10.96.0.9')] });
    await expectSettled(2);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('that changes its traffic policies leads its frontends to the other lists', async () => {
    const near = endpoint('10.1.0.1', { nodeName: 'here' });
    const far = endpoint('10.1.0.2', { nodeName: 'there' });
    stage.change(web, sliceRecord('web', [near, far]));
    await expectSettled(4);
    for (const [internalTrafficPolicy, externalTrafficPolicy] of [
      ['Local', 'Cluster'],
      ['Local', 'Local'],
      ['Cluster', 'Local'],
      ['Cluster', 'Cluster'],
    ] as const) {
      stage.change({ ...web, internalTrafficPolicy, externalTrafficPolicy });
      await expectSettled(4);
      expect(await stage.leftovers()).toEqual([]);
    }
  });

  test('keeps the list up to date that a frontend still leads to, while the frontend cannot be changed', async () => {
    const one = { ...web, clusterIPs: [address('10.96.0.1')], ports: [port(80)] };
    stage.change(one, podsOf('web', '10.1.0.1'));
    await expectSettled(1);
    const { fails } = stage.maps;
    stage.maps.fails = (operation) => operation === 'putFrontends';
    stage.change({ ...one, internalTrafficPolicy: 'Local' });
    await expect.poll(() => stage.reconciler.problems().length).toBe(1);
    stage.change(podsOf('web', '10.1.0.2'));
    await expect.poll(() => stage.programs.view().get('10.96.0.1 80/6')?.split(' | ')[2]).toBe('10.1.0.2:8080');
    stage.maps.fails = fails;
    await expectSettled(1);
  });

  test('that goes, fails to return and goes again leaves nothing behind', async () => {
    stage.maps.fails = () => false;
    stage.change(web, podsOf('web', '10.1.0.1'));
    await expectSettled(4);
    const graces: (() => void)[] = [];
    stage.maps.graces = graces;
    stage.change('web');
    await expect.poll(() => graces.length).toBe(1);
    stage.maps.fails = (operation) => operation === 'putFrontends';
    stage.change(web);
    await expect.poll(() => stage.reconciler.problems().length).toBe(1);
    stage.maps.fails = () => false;
    stage.change('web');
    await expect.poll(() => stage.reconciler.problems().length).toBe(0);
    stage.maps.graces = undefined;
    for (const end of graces) end();
    await expectSettled(0);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('changes affinity and kind of its frontends in place', async () => {
    const one = { ...web, clusterIPs: [address('10.96.0.1')], externalIPs: [address('192.0.2.1')] };
    stage.change(one);
    await expectSettled(3);
    stage.change({ ...one, affinitySeconds: 60 });
    await expectSettled(3);
    stage.change({ ...one, externalIPs: [], loadBalancerIPs: [address('192.0.2.1')] });
    await expectSettled(3);
  });

  test('keeps one frontend when it names an address twice', async () => {
    const twice = { externalIPs: [address('192.0.2.1')], loadBalancerIPs: [address('192.0.2.1')] };
    stage.change({ ...web, clusterIPs: [address('10.96.0.1')], ports: [port(80)], ...twice });
    await expectSettled(2);
    stage.maps.writes.length = 0;
    stage.change({ ...web, clusterIPs: [address('10.96.0.1')], ports: [port(80)], ...twice });
    await expectSettled(2);
    expect(stage.maps.writes).toEqual([]);
  });
});

describe('a node', () => {
  test('plans all Services anew when its own zone changes, and none when anything else does', async () => {
    const zones = ['a', 'b'].map((zone, i) => endpoint(`10.1.0.${i + 1}`, { forZones: [zone] }));
    stage.change({ ...web, clusterIPs: [address('10.96.0.1')] }, sliceRecord('web', zones));
    await expectSettled(2);
    const node = { addresses: [], podCIDRs: [] };
    const applied: number[] = [];
    stage.reconciler.on('applied', ({ services }) => applied.push(services));
    const listNow = (): string | undefined => stage.programs.view().get('10.96.0.1 80/6')?.split(' | ')[2];
    stage.maps.observers = [];
    stage.store.setNode({ ...node, name: 'here', zone: 'b' });
    await stage.settled();
    expect(listNow()).toBe('10.1.0.2:8080');
    applied.length = 0;
    stage.store.setNode({ ...node, name: 'there', zone: 'a' });
    stage.store.setNode({ ...node, name: 'here', zone: 'b', addresses: [address('198.18.0.1')] });
    await stage.settled();
    expect(applied).toEqual([]);
  });
});
