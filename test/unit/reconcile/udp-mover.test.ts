// SPDX-License-Identifier: Apache-2.0
// Which sockets of local processes are moved, and when; how they are is not asked here.

import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Proto } from '../../../src/abi/enums.gen.ts';
import type { EndpointSlice } from '../../../src/model/types.ts';
import { Store } from '../../../src/model/store.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import type { Endpoint } from '../../../src/model/types.ts';
import { UdpStage } from '../../support/udp-stage.ts';
import { waitFor } from '../../support/wait.ts';

const DNS = '10.96.0.10';
const dns = serviceRecord('dns', [DNS], { ports: [port(53, { name: 'dns', protocol: 'UDP', nodePort: 30053 })] });

function pods(service: string, ...endpoints: readonly (string | Endpoint)[]): EndpointSlice {
  const records = endpoints.map((one) => (typeof one === 'string' ? endpoint(one) : one));
  return sliceRecord(service, records, { portName: 'dns', protocol: 'UDP', number: 5353 });
}

function terminating(text: string, serving: boolean): Endpoint {
  return endpoint(text, { ready: false, serving, terminating: true });
}

const [A, B, C] = ['10.1.0.1', '10.1.0.2', '10.1.0.3'] as const;
const [ofA, ofB, ofC] = [`${A}:5353`, `${B}:5353`, `${C}:5353`] as const;

/** The reconciler waits for one, and so does the mover. */
async function bothGracePeriods(): Promise<void> {
  await waitFor('both to wait', () => udp.stage.maps.graces?.length === 2, { intervalMs: 0, deadlineMs: 5_000 });
}

let udp: UdpStage;
beforeEach(() => {
  udp = new UdpStage();
});
afterEach(async () => {
  await udp.stop();
  expect(udp.errors).toEqual([]);
});

describe('a socket whose backend ceases to serve', () => {
  test('is moved in the same round, and no other is', async () => {
    await udp.change(dns, pods('dns', A, B));
    const [a, b] = [udp.connect(DNS, 53, ofA), udp.connect(DNS, 53, ofB)];
    expect(await udp.change(pods('dns', B))).toMatchObject([{ sockets: 1, waiting: 0, survivors: 0 }]);
    const from = { address: A, port: 5353 };
    expect(udp.moves).toEqual([[{ cookie: a, from, to: { address: DNS, port: 53 }, mayEnd: true }]]);
    expect([udp.backendOf(a), udp.backendOf(b)]).toEqual([ofB, ofB]);
    expect(udp.counts.row).toEqual({ flows: 0n, sockets: 1n, ended: 0n, waiting: 0n, survivors: 0n });
    await udp.change(pods('dns', C));
    expect(udp.counts.row.sockets).toBe(3n);
  });

  test('is moved only after programs that had read the old set have ended', async () => {
    await udp.change(dns, pods('dns', A, B));
    udp.stage.maps.graces = [];
    const change = udp.change(pods('dns', B));
    await bothGracePeriods();
    // A program that was on its way writes down what it has chosen.
    const late = udp.connect(DNS, 53, ofA);
    for (const end of udp.stage.maps.graces) end();
    udp.stage.maps.graces = undefined;
    await change;
    expect(udp.backendOf(late)).toBe(ofB);
  });

  test('is left alone when it speaks TCP', async () => {
    const web = serviceRecord('web', ['10.96.0.1']);
    const webPods = (...all: string[]): EndpointSlice =>
      sliceRecord(
        'web',
        all.map((text) => endpoint(text)),
      );
    await udp.change(web, dns, webPods(A, B), pods('dns', A, B));
    const tcp = udp.connect('10.96.0.1', 80, `${A}:8080`, Proto.Tcp);
    await udp.change(webPods(B), pods('dns', B));
    expect(udp.moves).toEqual([]);
    expect(udp.backendOf(tcp)).toBe(`${A}:8080`);
  });

  test('is moved only if its own Service has lost the backend', async () => {
    const other = {
      ...dns,
      name: 'other',
      clusterIPs: [address('10.96.0.11')],
      ports: [port(53, { name: 'dns', protocol: 'UDP' })],
    };
    await udp.change(dns, other, pods('dns', A, B), pods('other', A, B));
    const [mine, theirs] = [udp.connect(DNS, 53, ofA), udp.connect('10.96.0.11', 53, ofA)];
    expect(await udp.change(pods('dns', B))).toMatchObject([{ sockets: 1 }]);
    expect([udp.backendOf(mine), udp.backendOf(theirs)]).toEqual([ofB, ofA]);
  });
});

test('a TCP Service that gets the number of a UDP Service that has gone keeps its connections', async () => {
  await udp.stop();
  udp = new UdpStage({ capacity: { services: 3 } });
  const other = {
    ...dns,
    name: 'other',
    clusterIPs: [address('10.96.0.11')],
    ports: [port(53, { name: 'dns', protocol: 'UDP' })],
  };
  await udp.change(dns, other, pods('dns', A), pods('other', A, B));
  const number = udp.serviceOf(DNS, 53);
  await udp.change('dns');
  await udp.stage.leftovers();
  await udp.change(
    serviceRecord('web', ['10.96.0.1']),
    sliceRecord(
      'web',
      [A, B].map((text) => endpoint(text)),
    ),
  );
  expect(udp.serviceOf('10.96.0.1', 80, Proto.Tcp)).toBe(number);
  const tcp = udp.connect('10.96.0.1', 80, `${A}:8080`, Proto.Tcp);
  expect(await udp.change(pods('other', B))).toMatchObject([{ sockets: 0, survivors: 0 }]);
  expect(udp.moves).toEqual([]);
  expect(udp.backendOf(tcp)).toBe(`${A}:8080`);
});

describe('a backend keeps its sockets', () => {
  test('while it terminates and serves, and loses them when it no longer does', async () => {
    await udp.change(dns, pods('dns', A, B));
    const socket = udp.connect(DNS, 53, ofA);
    expect(await udp.change(pods('dns', terminating(A, true), B))).toEqual([]);
    expect(await udp.change(pods('dns', terminating(A, true), C))).toMatchObject([{ sockets: 0 }]);
    expect(udp.backendOf(socket)).toBe(ofA);
    expect(await udp.change(pods('dns', terminating(A, false), C))).toMatchObject([{ sockets: 1 }]);
    expect(udp.backendOf(socket)).toBe(ofC);
  });

  test('when a policy leads new clients elsewhere', async () => {
    const [near, far] = [endpoint(A, { nodeName: 'here' }), endpoint(B, { nodeName: 'there' })];
    await udp.change(dns, pods('dns', near, far));
    const socket = udp.connect(DNS, 53, ofB);
    await udp.change({ ...dns, internalTrafficPolicy: 'Local' });
    await udp.change(pods('dns', near, far, endpoint(C, { nodeName: 'here' })));
    expect(udp.moves).toEqual([]);
    expect(udp.backendOf(socket)).toBe(ofB);
  });

  test('when it is published though it is not ready', async () => {
    const unready = endpoint(A, { ready: true, serving: false });
    await udp.change(dns, pods('dns', unready, B, C));
    const socket = udp.connect(DNS, 53, ofA);
    await udp.change(pods('dns', unready, B));
    expect(udp.backendOf(socket)).toBe(ofA);
  });

  test('when it comes back before anybody has looked', async () => {
    await udp.change(dns, pods('dns', A, B));
    const socket = udp.connect(DNS, 53, ofA);
    udp.stage.maps.graces = [];
    udp.stage.change(pods('dns', B));
    await bothGracePeriods();
    const applied = once(udp.stage.reconciler, 'applied');
    udp.stage.change(pods('dns', A, B));
    await applied;
    const { graces } = udp.stage.maps;
    udp.stage.maps.graces = undefined;
    for (const end of graces) end();
    await udp.settled();
    expect(udp.backendOf(socket)).toBe(ofA);
  });
});

describe('a Service without backends', () => {
  test('moves its sockets when one returns, and counts them until then', async () => {
    await udp.change(dns, pods('dns', A));
    const socket = udp.connect(DNS, 53, ofA);
    expect(await udp.change(pods('dns'))).toMatchObject([{ sockets: 0, waiting: 1, survivors: 0 }]);
    expect(udp.moves.flat()).toMatchObject([{ mayEnd: false }]);
    expect(udp.counts.row.waiting).toBe(1n);
    expect(await udp.change(pods('dns', B))).toMatchObject([{ sockets: 1, waiting: 0 }]);
    expect(udp.backendOf(socket)).toBe(ofB);
    expect(udp.counts.row.waiting).toBe(0n);
  });

  test('does not look for them because of other changes', async () => {
    const web = serviceRecord('web', ['10.96.0.1'], { ports: [port(80, { name: 'dns', protocol: 'UDP' })] });
    await udp.change(dns, pods('dns', A));
    udp.connect(DNS, 53, ofA);
    await udp.change(pods('dns'));
    expect(await udp.change(web, pods('web', B))).toEqual([]);
    expect(await udp.change(pods('dns', terminating(C, false)))).toEqual([]);
    expect(udp.moves).toHaveLength(1);
  });

  test('forgets them when they are closed', async () => {
    await udp.change(dns, pods('dns', A));
    const socket = udp.connect(DNS, 53, ofA);
    await udp.change(pods('dns'));
    udp.close(socket);
    udp.mover.prune();
    expect(udp.counts.row.waiting).toBe(0n);
    expect(await udp.change(pods('dns', B))).toEqual([]);
  });
});

describe('a Service that is deleted', () => {
  test('leaves its sockets without a backend until it is there again', async () => {
    await udp.change(dns, pods('dns', A));
    const socket = udp.connect(DNS, 53, ofA);
    expect(await udp.change('dns')).toMatchObject([{ sockets: 0, waiting: 1 }]);
    expect(udp.moves).toHaveLength(1);
    expect(await udp.change(dns, pods('dns', B))).toMatchObject([{ sockets: 1, waiting: 0 }]);
    expect(udp.backendOf(socket)).toBe(ofB);
  });

  test('leaves them to the Service that takes over its address', async () => {
    await udp.change(dns, pods('dns', A));
    const socket = udp.connect(DNS, 53, ofA);
    await udp.change('dns');
    expect(await udp.change({ ...dns, name: 'heir' }, pods('heir', B))).toMatchObject([{ sockets: 1, waiting: 0 }]);
    expect(udp.backendOf(socket)).toBe(ofB);
  });

  test('leaves those of a NodePort to the next with that port, by whatever node address they asked', async () => {
    await udp.change(dns, pods('dns', A));
    const socket = udp.connect(DNS, 53, ofA);
    const at = udp.stage.kernel.sockets.findIndex(([{ cookie }]) => cookie === socket);
    const row = udp.stage.kernel.sockets[at]?.[1];
    if (row === undefined) throw new Error('no socket');
    udp.stage.kernel.sockets[at] = [{ cookie: socket }, { ...row, addr: address('192.0.2.9'), port: 30053 }];
    await udp.change('dns');
    const heir = { ...dns, name: 'heir', clusterIPs: [address('10.96.0.99')] };
    expect(await udp.change(heir, pods('heir', B))).toMatchObject([{ sockets: 1, waiting: 0 }]);
    expect(udp.backendOf(socket)).toBe(ofB);
  });
});

describe('what cannot be moved', () => {
  test('is tried again a few times, and then when the Service changes', async () => {
    await udp.change(dns, pods('dns', A, B));
    const socket = udp.connect(DNS, 53, ofA);
    udp.fate = () => ({ outcome: 'failed', code: 'EOPNOTSUPP' });
    const checks = await udp.change(pods('dns', B));
    expect(checks).toHaveLength(6);
    expect(checks[0]).toMatchObject({ sockets: 0, survivors: 1, reasons: ['EOPNOTSUPP'] });
    expect(udp.counts.row.survivors).toBe(1n);
    udp.fate = () => undefined;
    expect(await udp.change(pods('dns', B, C))).toMatchObject([{ sockets: 1, survivors: 0 }]);
    expect(udp.backendOf(socket)).not.toBe(ofA);
    expect(udp.counts.row.survivors).toBe(0n);
  });

  test('is not looked for again and again where it cannot be seen', async () => {
    await udp.change(dns, pods('dns', A, B));
    udp.connect(DNS, 53, ofA);
    udp.fate = () => ({ outcome: 'unseen', code: '' });
    expect(await udp.change(pods('dns', B))).toMatchObject([{ survivors: 1, reasons: ['unseen'] }]);
  });

  test('and was ended counts, and is forgotten', async () => {
    await udp.change(dns, pods('dns', A, B));
    const socket = udp.connect(DNS, 53, ofA);
    udp.fate = () => ({ outcome: 'ended', code: 'EPERM' });
    expect(await udp.change(pods('dns', B))).toMatchObject([
      { sockets: 0, ended: 1, survivors: 0, reasons: ['EPERM'] },
    ]);
    expect(udp.counts.row.ended).toBe(1n);
    expect(udp.backendOf(socket)).toBeUndefined();
  });

  test('because its owner has connected it elsewhere is forgotten', async () => {
    await udp.change(dns, pods('dns', A, B));
    const socket = udp.connect(DNS, 53, ofA);
    udp.fate = () => ({ outcome: 'elsewhere', code: '' });
    expect(await udp.change(pods('dns', B))).toMatchObject([{ sockets: 0, survivors: 0, reasons: [] }]);
    expect(udp.backendOf(socket)).toBeUndefined();
  });

  test('because the search itself fails is done when it succeeds', async () => {
    await udp.change(dns, pods('dns', A, B));
    const socket = udp.connect(DNS, 53, ofA);
    let failures = 2;
    udp.fate = () => {
      if (failures-- > 0) throw new Error('no thread');
      return undefined;
    };
    await udp.change(pods('dns', B));
    expect(udp.backendOf(socket)).toBe(ofB);
    expect(udp.errors.splice(0)).toHaveLength(2);
  });
});

describe('an agent that starts', () => {
  test('moves what its predecessor left, and goes on counting', async () => {
    await udp.change(dns, pods('dns', A, B));
    const [a, b] = [udp.connect(DNS, 53, ofA), udp.connect(DNS, 53, ofB)];
    await udp.change(pods('dns', A, B, C));
    await udp.stop();
    udp.stage.change(pods('dns', B));
    await udp.restart();
    await udp.settled();
    expect([udp.backendOf(a), udp.backendOf(b)]).toEqual([ofB, ofB]);
    expect(udp.counts.row.sockets).toBe(1n);
  });

  test('finds those again that wait', async () => {
    await udp.change(dns, pods('dns', A));
    const socket = udp.connect(DNS, 53, ofA);
    await udp.change('dns');
    await udp.restart();
    await udp.settled();
    expect(udp.counts.row.waiting).toBe(1n);
    await udp.change(dns, pods('dns', B));
    expect(udp.backendOf(socket)).toBe(ofB);
  });

  test('leaves alone what belongs to Services that it cannot read yet', async () => {
    await udp.change(dns, pods('dns', A, terminating(B, true)));
    const socket = udp.connect(DNS, 53, ofA);
    await udp.stop();
    const { stage } = udp;
    stage.store = new Store();
    stage.start('files');
    udp.follow();
    stage.store.setUnread('files', { places: ['broken.yaml'], services: new Set() });
    stage.store.markSynced('files');
    await udp.settled();
    await udp.change(dns);
    expect(udp.moves).toEqual([]);
    stage.store.setUnread('files', { places: [], services: new Set() });
    await udp.change(pods('dns', C));
    expect(udp.backendOf(socket)).toBe(ofC);
  });
});
