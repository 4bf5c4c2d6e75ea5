// SPDX-License-Identifier: Apache-2.0
// Frontends that several Services want, or that pass from one to another.

import { afterEach, describe, expect, test } from 'vitest';
import { oneInTen, testSeed } from '../../support/chance.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import type { Change, StageOptions } from '../../support/stage.ts';
import { Stage } from '../../support/stage.ts';

let stage: Stage;
const shared = { externalIPs: [address('192.0.2.9')] };
const first = serviceRecord('first', ['10.96.0.1'], shared);
const second = serviceRecord('second', ['10.96.0.2'], shared);
const third = serviceRecord('third', ['10.96.0.3'], shared);
const pods = [
  sliceRecord('first', [endpoint('10.1.0.1')]),
  sliceRecord('second', [endpoint('10.1.0.2')]),
  sliceRecord('third', [endpoint('10.1.0.3')]),
];

function begin(options: StageOptions = {}): void {
  stage = new Stage(options);
}

afterEach(() => stage.reconciler.stop());

async function settle(...objects: Change[]): Promise<void> {
  stage.change(...objects);
  await stage.settled();
  expect(stage.faults()).toEqual([]);
}

function owner(): string | undefined {
  return stage.programs.view().get('192.0.2.9 80/6')?.replace(/:.*/, '');
}

describe.each([
  ['without faults', false],
  ['with one operation in ten failing', true],
])('a frontend that several Services want, %s', (_, faulty) => {
  test('stays with the first; the others are problems, and follow in turn when it goes', async () => {
    begin(faulty ? { fails: oneInTen(testSeed()) } : {});
    await settle(first, ...pods);
    await settle(second, third);
    expect(owner()).toBe('default/first');
    expect(stage.reconciler.problems()).toEqual(
      ['default/second', 'default/third'].map((service) => ({
        service,
        message: 'frontend 192.0.2.9 80/tcp belongs to default/first; give one of them another address or port',
      })),
    );
    await settle('first');
    const next = owner();
    expect(['default/second', 'default/third']).toContain(next);
    expect(stage.reconciler.problems().map(({ message }) => message)).toEqual([expect.stringContaining(`to ${next}`)]);
    await settle({ ...second, externalIPs: [] }, { ...third, externalIPs: [] }, first);
    expect(owner()).toBe('default/first');
    expect(stage.reconciler.problems()).toEqual([]);
    expect(await stage.leftovers()).toEqual([]);
  });
});

describe('a frontend', () => {
  test('passes from one Service to another in one step without a moment when it is missing', async () => {
    begin();
    await settle(first, ...pods);
    // Violations of stage.programs: each write is watched, and the frontend must be there all the time.
    await settle('first', second);
    expect(owner()).toBe('default/second');
    await settle({ ...second, externalIPs: [] }, third);
    expect(owner()).toBe('default/third');
  });

  test('passes without a gap to who lost a conflict over it', async () => {
    begin();
    await settle(first, second, ...pods);
    await settle('first');
    expect(owner()).toBe('default/second');
  });

  test('passes without a gap when more Services change than fit a round', async () => {
    begin({ capacity: { services: 1024 } });
    const others = Array.from({ length: 200 }, (_, i) => serviceRecord(`s${i}`, [`10.97.0.${i + 1}`]));
    await settle(first, ...pods);
    await settle('first', ...others, second);
    expect(owner()).toBe('default/second');
  });

  test('passes between two ports of one Service, and back', async () => {
    begin();
    const a = port(80, { name: 'a' });
    const b = port(81, { name: 'b' });
    await settle({ ...first, ports: [{ ...a, nodePort: 30080 }, b] }, ...pods);
    await settle({ ...first, ports: [a, { ...b, nodePort: 30080 }] });
    await settle({ ...first, ports: [{ ...b, port: 80, nodePort: 30080 }] });
    expect(await stage.leftovers()).toEqual([]);
  });

  test('is exchanged between two Services in one step', async () => {
    begin();
    await settle(first, second, third, ...pods);
    const [one, two] = [first.clusterIPs, second.clusterIPs];
    await settle({ ...first, clusterIPs: two }, { ...second, clusterIPs: one });
    expect(stage.programs.view().get('10.96.0.1 80/6')).toMatch(/^default\/second:/);
  });

  test('is let go when its next owner cannot have it, and that one gets it later', async () => {
    let refused = false;
    begin({ fails: (operation, of) => refused && operation === 'putFrontends' && of === '192.0.2.9 80/6' });
    await settle(first, second, ...pods);
    refused = true;
    stage.change('first');
    await expect.poll(() => owner()).toBeUndefined();
    refused = false;
    await settle();
    expect(owner()).toBe('default/second');
    expect(await stage.leftovers()).toEqual([]);
  });

  test('goes to the next when who was to have it cannot', async () => {
    let refusals = 1;
    begin({
      // Not at once, and not alone either.
      fails: (operation, of) => operation === 'putFrontends' && of === '192.0.2.9 80/6' && refusals++ < 3,
      retryMs: 2 ** 30,
    });
    stage.change(first, second, third, ...pods);
    await expect.poll(() => owner()).toBeDefined();
    expect(['default/second', 'default/third']).toContain(owner());
    expect(stage.reconciler.problems().map(({ service }) => service)).toContain('default/first');
  });

  test('is free again when who was to have it is deleted before it could', async () => {
    let refused = true;
    begin({ fails: (operation, of) => refused && operation === 'putFrontends' && of === '192.0.2.9 80/6' });
    stage.change(first, second, ...pods);
    await expect.poll(() => stage.reconciler.problems().length).toBeGreaterThan(0);
    stage.change('first');
    refused = false;
    await stage.settled();
    expect(stage.faults()).toEqual([]);
    expect(owner()).toBe('default/second');
  });

  test('stays with the old port while the new port of the same Service cannot have it', async () => {
    let refused = false;
    begin({ fails: (operation) => refused && operation === 'putFrontends' });
    await settle(first, ...pods);
    refused = true;
    const problem = new Promise((resolve) => stage.reconciler.once('problem', resolve));
    stage.change({ ...first, ports: [port(80, { name: 'renamed' })] });
    await problem;
    expect(owner()).toBe('default/first');
    refused = false;
    await settle();
    expect(await stage.leftovers()).toEqual([]);
  });
});
