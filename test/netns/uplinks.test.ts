// SPDX-License-Identifier: Apache-2.0
// Every kind of device as an uplink, plugged in while the agent runs: a host behind it asks for Services of this node and
// of the other one, and is itself a backend for those who come in by Ethernet.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DualStack, Family } from '../support/address-plan.ts';
import { nodeAddress, pick } from '../support/address-plan.ts';
import { Pod } from '../support/cluster.ts';
import { present } from '../support/kernel-kinds.ts';
import { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { startServer, Testbed } from '../support/testbed.ts';
import type { UplinkKind } from '../support/uplink-kinds.ts';
import { UPLINK_KINDS, uplinkProbe, wireLines } from '../support/uplink-kinds.ts';
import { waitFor } from '../support/wait.ts';
import type { Workload } from '../support/workload.ts';

const BYTES = 1_000_000;
const DEVICE = 'up0';
/** The two ends of the uplink: node 1 and the router. */
const NEAR = nodeAddress(20, 11);
const FAR = nodeAddress(20, 1);

const kinds = await present(Object.fromEntries(UPLINK_KINDS.map((kind) => [kind.name, uplinkProbe(kind)])));

let bed: Testbed;
let router: Place;
let far: Workload;
let outside: Workload;
/** Of backends on node 1, on node 2, and of the host behind the uplink. */
let here: ServiceHandle;
let there: ServiceHandle;
let behind: ServiceHandle;
let empty: ServiceHandle;

beforeAll(async () => {
  bed = await Testbed.create({ agentArguments: () => ['--devices', `eth0,${DEVICE},port*`] });
  const { cluster } = bed;
  const fabric = cluster.fabric.get('fabric');
  if (fabric === undefined) throw new Error('no router');
  router = new Place('far', fabric.netnsPath, fabric.cgroup, [FAR]);
  here = await bed.expose(cluster.node1.pods);
  there = await bed.expose(cluster.node2.pods);
  behind = await bed.expose([new Pod(router, DEVICE)]);
  empty = await bed.expose([]);
  far = await startServer(cluster, router, 'far');
  outside = await bed.at(cluster.client);
  return () => bed[Symbol.asyncDispose]();
});

describe.each(UPLINK_KINDS)('an uplink of kind $name', (kind) => {
  describe.skipIf(!kinds.has(kind.name))('', () => {
    beforeAll(() => plug(kind));
    afterAll(() => unplug(kind));

    describe.each(kind.families)('over IPv%i', (family) => {
      test('reaches a backend on this node, which sees the client', async () => {
        await answers(family, far, NEAR, here, FAR);
      });

      test('reaches a backend on the other node, which sees this node', async () => {
        await answers(family, far, NEAR, there, bed.cluster.node1.address);
      });

      test('leads to a backend behind it, which sees the address of the device', async () => {
        await answers(family, outside, bed.cluster.node1.address, behind, NEAR);
      });

      test('leads back to a backend where the client is', async () => {
        await answers(family, far, NEAR, behind, NEAR);
      });

      test('carries the answer that nobody serves', async () => {
        const host = pick(NEAR, family);
        expect(await far.get(host, empty.nodePort)).toMatchObject({ failure: 'refused' });
        const { id } = await far.call('udp.open', { type: `udp${family}` });
        await far.call('udp.connect', { id, host, port: empty.nodePort });
        expect(await far.call('udp.exchange', { id })).toMatchObject({ failure: 'refused' });
        await far.call('udp.close', { id });
      });

      test('carries megabytes whole, in both directions and by every way', async () => {
        for (const [client, host, service] of [
          [far, NEAR, here],
          [far, NEAR, there],
          [outside, bed.cluster.node1.address, behind],
        ] as const) {
          const from = { host: pick(host, family), port: service.nodePort, bytes: BYTES };
          const whole = { failure: null, bytes: BYTES, intact: true };
          const { id } = await client.call('download.start', from);
          expect(await client.call('download.finish', { id })).toMatchObject(whole);
          expect(await client.call('upload', from)).toMatchObject(whole);
        }
      });
    });
  });
});

/** TCP and UDP, big datagrams too. */
async function answers(
  family: Family,
  client: Workload,
  address: DualStack,
  { nodePort: port }: ServiceHandle,
  sees: DualStack,
): Promise<void> {
  const host = pick(address, family);
  const greeting = { client: { address: pick(sees, family) } };
  expect(await client.get(host, port)).toMatchObject({ failure: null, greeting });
  const { id } = await client.call('udp.open', { type: `udp${family}` });
  for (const bytes of [100, 1200]) {
    expect(await client.call('udp.exchange', { id, host, port, bytes })).toMatchObject({
      failure: null,
      from: { address: host, port },
      greeting,
    });
  }
  await client.call('udp.close', { id });
}

async function plug(kind: UplinkKind): Promise<void> {
  const { node1, prefix } = bed.cluster;
  const underlay = { near: node1.address, far: nodeAddress(10, 1) };
  const wires = kind.wires?.names ?? [];
  await node1.ip(...wires.flatMap((wire) => wireLines(kind.wires?.type ?? 'veth', wire, wire, `${prefix}-fabric`)));
  const end = async (place: Place, local: DualStack, remote: DualStack, address: DualStack): Promise<void> => {
    await place.ip(
      ...wires.map((wire) => `link set ${wire} up`),
      ...kind.device(DEVICE, { local, remote }),
      `link set ${DEVICE} up`,
      `addr add ${address.v4}/24 dev ${DEVICE}`,
      `addr add ${address.v6}/64 dev ${DEVICE} nodad`,
    );
  };
  await end(node1, underlay.near, underlay.far, NEAR);
  await end(router, underlay.far, underlay.near, FAR);
  for (const family of kind.families) {
    const host = pick(NEAR, family);
    await waitFor(`an answer from ${host}`, async () => (await far.get(host, here.nodePort, 1000)).failure === null);
  }
}

async function unplug(kind: UplinkKind): Promise<void> {
  const mark = bed.agent(1).log.length;
  for (const place of [bed.cluster.node1, router]) await removeDevices(place, kind.wires?.names ?? []);
  await bed.agent(1).event('detached from devices', mark);
}

/** Whatever plug has made, also when it failed half-way. */
async function removeDevices(place: Place, wires: readonly string[]): Promise<void> {
  const links = JSON.parse(await place.run('ip', ['-json', 'link'])) as { ifname: string }[];
  for (const name of [DEVICE, ...wires]) {
    if (links.some(({ ifname }) => ifname === name))
      await place.run('ip', ['link', 'del', name]).catch(() => undefined);
  }
}
