// SPDX-License-Identifier: Apache-2.0
// Processes on a node and in its pods that connect or send to a frontend: real sockets, real servers, every family.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Family } from '../support/address-plan.ts';
import { pick } from '../support/address-plan.ts';
import { atLeast, REFUSED_AT_CONNECT } from '../support/kernel-version.ts';
import type { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { BACKEND_PORT, SERVICE_PORT, Testbed } from '../support/testbed.ts';

let bed: Testbed;
let service: ServiceHandle;
let empty: ServiceHandle;

beforeAll(async () => {
  bed = await Testbed.create();
  service = await bed.expose(bed.cluster.pods);
  empty = await bed.expose([]);
  return () => bed[Symbol.asyncDispose]();
});

/** Where a process connects from, and the destinations it can name there. */
const PLACES = {
  'a pod': () => bed.cluster.node1.pod(1),
  'the node': () => bed.cluster.node1,
} satisfies Record<string, () => Place>;

type Frontend = readonly [host: string, port: number];

const FRONTENDS: Record<string, (of: ServiceHandle, family: Family) => Frontend> = {
  'the cluster IP': (of, family) => [pick(of.clusterIp, family), SERVICE_PORT],
  'an external IP': (of, family) => [pick(of.externalIp, family), SERVICE_PORT],
  'a LoadBalancer IP': (of, family) => [pick(of.loadBalancerIp, family), SERVICE_PORT],
  "the NodePort of its node's address": (of, family) => [pick(bed.cluster.node1.address, family), of.nodePort],
};

const LOOPBACK = { v4: '127.0.0.1', v6: '::1' };

function mapped(host: string): string {
  return host.includes(':') ? host : `::ffff:${host}`;
}

function backendNames(): string[] {
  return bed.cluster.pods.map(({ name }) => name);
}

describe.each(Object.keys(PLACES) as (keyof typeof PLACES)[])('from %s', (placeName) => {
  const place = (): Place => PLACES[placeName]();

  describe.each([4, 6] as const)('over IPv%i', (family) => {
    test.each(Object.keys(FRONTENDS))(
      'TCP to %s reaches a backend and getpeername shows the frontend',
      async (name) => {
        const client = await bed.at(place());
        const [host, port] = FRONTENDS[name]?.(service, family) ?? ['', 0];
        const exchange = await client.get(host, port);
        expect(exchange).toMatchObject({ failure: null, peer: { address: host, port } });
        expect(backendNames()).toContain(exchange.greeting?.name);
      },
    );

    test.each(Object.keys(FRONTENDS))('unconnected UDP to %s gets its answer from the frontend', async (name) => {
      const client = await bed.at(place());
      const [host, port] = FRONTENDS[name]?.(service, family) ?? ['', 0];
      const { id } = await client.call('udp.open', { type: `udp${family}` });
      const datagram = await client.call('udp.exchange', { id, host, port });
      expect(datagram).toMatchObject({ failure: null, from: { address: host, port } });
      expect(backendNames()).toContain(datagram.greeting?.name);
      await client.call('udp.close', { id });
    });

    test('connected UDP has the frontend as its peer and gets its answer from there', async () => {
      const client = await bed.at(place());
      const host = pick(service.clusterIp, family);
      const { id } = await client.call('udp.open', { type: `udp${family}` });
      const frontend = { address: host, port: SERVICE_PORT };
      expect(await client.call('udp.connect', { id, host, port: SERVICE_PORT })).toEqual({
        failure: null,
        peer: frontend,
      });
      expect(await client.call('udp.exchange', { id })).toMatchObject({ failure: null, from: frontend });
      await client.call('udp.close', { id });
    });

    test('a frontend without backends refuses TCP, connected and unconnected UDP at once', async () => {
      const client = await bed.at(place());
      const host = pick(empty.clusterIp, family);
      const refused = { failure: REFUSED_AT_CONNECT };
      expect(await client.get(host, SERVICE_PORT)).toMatchObject(refused);
      const { id } = await client.call('udp.open', { type: `udp${family}` });
      expect(await client.call('udp.exchange', { id, host, port: SERVICE_PORT })).toMatchObject(refused);
      expect(await client.call('udp.connect', { id, host, port: SERVICE_PORT })).toMatchObject(refused);
      await client.call('udp.close', { id });
    });

    test('a backend itself is reached untranslated', async () => {
      const client = await bed.at(place());
      const pod = bed.cluster.node2.pod(1);
      const host = pick(pod.address, family);
      expect(await client.get(host, BACKEND_PORT)).toMatchObject({
        peer: { address: host, port: BACKEND_PORT },
        greeting: { name: pod.name, client: { address: pick(place().address, family) } },
      });
    });
  });

  test('an IPv6 socket reaches IPv4 frontends by v4-mapped addresses, over TCP and UDP', async () => {
    const client = await bed.at(place());
    const host = mapped(service.clusterIp.v4);
    const frontend = { address: host, port: SERVICE_PORT };
    expect(await client.get(host, SERVICE_PORT)).toMatchObject({
      failure: null,
      peer: frontend,
      greeting: { family: 4 },
    });
    const { id } = await client.call('udp.open', { type: 'udp6' });
    expect(await client.call('udp.exchange', { id, host, port: SERVICE_PORT })).toMatchObject({ from: frontend });
    expect(await client.call('udp.connect', { id, host, port: SERVICE_PORT })).toMatchObject({ peer: frontend });
    expect(await client.call('udp.exchange', { id })).toMatchObject({ from: frontend });
    expect(await client.get(mapped(empty.clusterIp.v4), SERVICE_PORT)).toMatchObject({ failure: REFUSED_AT_CONNECT });
    await client.call('udp.close', { id });
  });

  test('new connections are spread over all backends', async () => {
    const client = await bed.at(place());
    const { id } = await client.call('load.start', {
      host: service.clusterIp.v4,
      port: SERVICE_PORT,
      concurrency: 8,
      requests: 400,
    });
    const { failed, backends } = await client.call('load.finish', { id });
    expect(failed).toBe(0);
    expect(Object.keys(backends).sort()).toEqual(backendNames().sort());
    // 100 each expected; 50 is 5.8 standard deviations away
    expect(Math.min(...Object.values(backends))).toBeGreaterThan(50);
  });
});

describe.each([4, 6] as const)('NodePort on loopback over IPv%i', (family) => {
  // Before 5.14 an agent does not learn which namespace it is in: only the initial one's loopback has NodePorts.
  test.skipIf(!atLeast('5.14'))(
    'answers processes of the node, by address, and shows loopback as the peer',
    async () => {
      const client = await bed.at(bed.cluster.node1);
      const host = pick(LOOPBACK, family);
      const frontend = { address: host, port: service.nodePort };
      expect(await client.get(host, service.nodePort)).toMatchObject({ failure: null, peer: frontend });
      const { id } = await client.call('udp.open', { type: `udp${family}` });
      expect(await client.call('udp.exchange', { id, host, port: service.nodePort })).toMatchObject({ from: frontend });
      await client.call('udp.close', { id });
    },
  );

  test("is not there for a pod, whose loopback is the pod's own", async () => {
    const client = await bed.at(bed.cluster.node1.pod(1));
    expect(await client.get(pick(LOOPBACK, family), service.nodePort)).toMatchObject({ failure: 'refused' });
  });

  test("is left to the network on another node's address, which that node's agent serves", async () => {
    const client = await bed.at(bed.cluster.node1.pod(1));
    const host = pick(bed.cluster.node2.address, family);
    expect(await client.get(host, service.nodePort)).toMatchObject({ failure: null, peer: { address: host } });
  });
});

test('a connected UDP socket that connects again to another frontend sees that one', async () => {
  const client = await bed.at(bed.cluster.node1.pod(2));
  const other = await bed.expose(bed.cluster.node2.pods);
  const { id } = await client.call('udp.open', { type: 'udp4' });
  for (const { clusterIp } of [service, other, service]) {
    const frontend = { address: clusterIp.v4, port: SERVICE_PORT };
    expect(await client.call('udp.exchange', { id, host: clusterIp.v4, port: SERVICE_PORT })).toMatchObject({
      from: frontend,
    });
  }
  await client.call('udp.close', { id });
});
