// SPDX-License-Identifier: Apache-2.0
// The order of writes, and what waits for a grace period. No faults: here every write is known.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import type { Change } from '../../support/stage.ts';
import { Stage } from '../../support/stage.ts';
import { waitFor } from '../../support/wait.ts';

let stage: Stage;
const web = serviceRecord('web', ['10.96.0.1']);
const pods = (...addresses: string[]): ReturnType<typeof sliceRecord> =>
  sliceRecord(
    'web',
    addresses.map((text) => endpoint(text)),
  );

beforeEach(async () => {
  stage = new Stage();
  await stage.settled();
});

afterEach(async () => {
  for (const end of stage.maps.graces ?? []) end();
  stage.maps.graces = undefined;
  await stage.reconciler.stop();
  expect(stage.programs.violations).toEqual([]);
});

async function writes(...objects: Change[]): Promise<string[]> {
  stage.maps.writes.length = 0;
  stage.change(...objects);
  await stage.settled();
  expect(stage.faults()).toEqual([]);
  return stage.maps.writes;
}

describe('the order of writes', () => {
  test('begins a Service with its name and ends with its frontends', async () => {
    const two = { ...web, ports: [port(80, { nodePort: 30080 })] };
    expect(await writes(two, pods('10.1.0.1', '10.1.0.2'))).toEqual([
      'service 1',
      'backend 1',
      'backend 2',
      'set 2',
      'address 10.96.0.1',
      'frontend 10.96.0.1 80/6',
      'frontend 0.0.0.0 30080/6',
    ]);
  });

  test('changes a list by one store to the set, after everything that it leads to', async () => {
    await writes(web, pods('10.1.0.1'));
    expect(await writes(pods('10.1.0.1', '10.1.0.2'))).toEqual(['backend 2', 'set 2']);
  });

  test('ends a Service with its frontends first, then its set, its backends last', async () => {
    await writes(web, pods('10.1.0.1'));
    expect(await writes('web')).toEqual(['no frontend 10.96.0.1 80/6', 'no address 10.96.0.1', 'set 2', 'backend 1']);
  });

  test('turns a frontend to the other list before the list that it leaves is emptied', async () => {
    await writes(web, sliceRecord('web', [endpoint('10.1.0.1', { nodeName: 'here' }), endpoint('10.1.0.2')]));
    expect(await writes({ ...web, internalTrafficPolicy: 'Local' })).toEqual([
      'set 3',
      'frontend 10.96.0.1 80/6',
      'set 2',
      'backend 2',
    ]);
  });

  test('writes nothing when objects come again unchanged', async () => {
    await writes(web, pods('10.1.0.1', '10.1.0.2'));
    expect(await writes(web, pods('10.1.0.2', '10.1.0.1'))).toEqual([]);
  });

  test('renews a backend in place when its node becomes known', async () => {
    await writes(web, pods('10.1.0.1'));
    expect(await writes(sliceRecord('web', [endpoint('10.1.0.1', { nodeName: 'here' })]))).toEqual(['backend 1']);
    expect(stage.kernel.backends.get(1)?.flags).toBe(1);
  });
});

describe('a grace period', () => {
  /** Applies the objects and stops where the reconciler waits for programs to end. */
  async function untilGrace(...objects: Change[]): Promise<() => void> {
    const graces: (() => void)[] = [];
    stage.maps.graces = graces;
    stage.change(...objects);
    return waitFor('a grace period to be asked for', () => graces[0], { intervalMs: 0 });
  }

  test('passes before the slots and backends of an old list are used for something else', async () => {
    await writes(web, pods('10.1.0.1'));
    const end = await untilGrace(pods('10.1.0.2'));
    expect(stage.reconciler.tables.size).toBe(2);
    expect(stage.reconciler.backends.retired.size).toBe(0);
    stage.maps.graces = undefined;
    end();
    await stage.settled();
    expect(stage.reconciler.tables.size).toBe(1);
    expect([...stage.reconciler.backends.retired.keys()]).toEqual([1]);
  });

  test('does not free a list that has come back into use and gone again since it began', async () => {
    await writes(web, pods('10.1.0.1'));
    const word = stage.kernel.sets.get(2);
    const end = await untilGrace(pods('10.1.0.2'));
    stage.change(pods('10.1.0.1'));
    await waitFor('the first list to be back', () => stage.kernel.sets.get(2) === word, { intervalMs: 0 });
    stage.change(pods('10.1.0.3'));
    await waitFor('the third list', () => stage.kernel.sets.get(2) !== word, { intervalMs: 0 });
    const { graces } = stage.maps;
    end();
    await waitFor('the next grace period', () => graces?.length === 2, { intervalMs: 0 });
    // The first two lists may still be read: only the second grace period began after their last use.
    expect(stage.reconciler.tables.size).toBe(3);
  });

  test('does not free a list that another Service has left since it began', async () => {
    const api = serviceRecord('api', ['10.96.0.2']);
    await writes(web, pods('10.1.0.1'), api, sliceRecord('api', [endpoint('10.1.0.1')]));
    const end = await untilGrace('web');
    const { graces } = stage.maps;
    stage.change(sliceRecord('api', [endpoint('10.1.0.2')]));
    await waitFor('the other list', () => stage.reconciler.tables.size === 2, { intervalMs: 0 });
    end();
    await waitFor('the next grace period', () => graces?.length === 2, { intervalMs: 0 });
    expect(stage.kernel.sets.get(2)).toBe(0n);
    expect(stage.reconciler.tables.size).toBe(2);
  });

  test('passes before the set of a Service that has gone is emptied, and spares it when the Service returns', async () => {
    await writes(web, pods('10.1.0.1'));
    const end = await untilGrace('web');
    expect(stage.kernel.frontends.size).toBe(0);
    expect(stage.kernel.sets.get(2)).not.toBe(0n);
    stage.change(web);
    await waitFor('the frontend to return', () => stage.kernel.frontends.size === 1, { intervalMs: 0 });
    stage.maps.graces = undefined;
    end();
    await stage.settled();
    expect(stage.faults()).toEqual([]);
    expect(await stage.leftovers()).toEqual([]);
  });

  test('that fails is asked for again, and nothing is freed before', async () => {
    let failures = 3;
    stage.maps.fails = (operation) => operation === 'gracePeriod' && failures-- > 0;
    await writes(web, pods('10.1.0.1'));
    await writes(pods('10.1.0.2'));
    expect(stage.errors).toHaveLength(3);
    expect(stage.reconciler.tables.size).toBe(1);
  });
});

describe('equal lists', () => {
  test('are one table, freed when the last Service leaves it', async () => {
    const api = serviceRecord('api', ['10.96.0.2'], { externalIPs: [address('192.0.2.1')] });
    const same = sliceRecord('api', [endpoint('10.1.0.1'), endpoint('10.1.0.2')]);
    await writes(web, pods('10.1.0.2', '10.1.0.1'));
    expect(await writes(api, same)).toEqual([
      'service 2',
      'set 4',
      'address 10.96.0.2',
      'address 192.0.2.1',
      'frontend 10.96.0.2 80/6',
      'frontend 192.0.2.1 80/6',
    ]);
    expect(stage.kernel.sets.get(4)).toBe(stage.kernel.sets.get(2));
    expect(stage.reconciler.tables.size).toBe(1);
    await writes('web');
    expect(stage.reconciler.tables.size).toBe(1);
    expect(stage.reconciler.backends.retired.size).toBe(0);
    await writes('api');
    expect(stage.reconciler.tables.size).toBe(0);
    expect(stage.reconciler.backends.retired.size).toBe(2);
  });

  test('of TCP and UDP are two: their backends differ', async () => {
    const dns = serviceRecord('web', ['10.96.0.1'], { ports: [port(53), port(53, { protocol: 'UDP' })] });
    const both = { ports: (['TCP', 'UDP'] as const).map((protocol) => ({ name: 'http', protocol, port: 5353 })) };
    await writes(dns, sliceRecord('web', [endpoint('10.1.0.1')], both));
    expect(stage.reconciler.tables.size).toBe(2);
    expect([...stage.kernel.backends.values()].map(({ proto }) => proto)).toEqual([6, 17]);
  });
});
