// SPDX-License-Identifier: Apache-2.0
// Backend sets that change under load. The clocks of all processes here are one, so every connection can be held against
// the lists that were in force while it was made.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '../support/cluster.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { Workload } from '../support/workload.ts';
import type { LoadResult } from '../workloads/protocol.ts';

const CHANGES = 2000;

/** A list of backends, and between which moments a new connection may have met it. */
interface Reign {
  readonly from: number;
  until: number;
  readonly names: ReadonlySet<string>;
}

let bed: Testbed;
beforeAll(async () => {
  bed = await Testbed.create();
  return () => bed[Symbol.asyncDispose]();
});

function now(): number {
  return Number(process.hrtime.bigint());
}

/** Not empty; a fixed sequence, so that a failure can be had again. */
function subsets(pods: readonly Pod[], count: number): Pod[][] {
  let state = 20260101;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mask = 1 + ((state >>> 8) % (2 ** pods.length - 1));
    return pods.filter((_, n) => (mask >> n) & 1);
  });
}

async function changeOften(service: ServiceHandle, pods: readonly Pod[], count: number): Promise<Reign[]> {
  let list = pods;
  let last: Reign = { from: 0, until: Infinity, names: namesOf(pods) };
  const reigns = [last];
  for (const next of subsets(pods, count)) {
    if (next.length === list.length && next.every((pod, n) => pod === list[n])) continue;
    const reign = { from: now(), until: Infinity, names: namesOf(next) };
    await bed.scale(service, next);
    last.until = now();
    reigns.push(reign);
    last = reign;
    list = next;
  }
  return reigns;
}

function namesOf(list: readonly Pod[]): Set<string> {
  return new Set(list.map(({ name }) => name));
}

function strangers({ samples }: LoadResult, reigns: readonly Reign[]): unknown[] {
  return samples.filter(([start, end, backend]) => {
    const lists = reigns.filter(({ from, until }) => from <= end && until >= start);
    return backend === null || !lists.some(({ names }) => names.has(backend));
  });
}

describe('a set that changes thousands of times', () => {
  test('never refuses or resets a new connection, nor leads it to a backend outside the old and the new list', async () => {
    const service = await bed.expose(bed.cluster.pods);
    const { node1, client } = bed.cluster;
    const [pod, host, outside] = await Promise.all([bed.at(node1.pod(1)), bed.at(node1), bed.at(client)]);
    const start = async (workload: Workload, address: string, port: number): Promise<() => Promise<LoadResult>> => {
      const { id } = await workload.call('load.start', { host: address, port, concurrency: 2, samples: true });
      return () => workload.call('load.stop', { id });
    };
    const loads = await Promise.all([
      start(pod, service.clusterIp.v4, SERVICE_PORT),
      start(host, service.clusterIp.v6, SERVICE_PORT),
      start(outside, node1.address.v4, service.nodePort),
      start(outside, service.loadBalancerIp.v6, SERVICE_PORT),
    ]);
    const reigns = await changeOften(service, bed.cluster.pods, CHANGES);
    for (const stop of loads) {
      const result = await stop();
      expect(result.requests).toBeGreaterThan(100);
      expect({ failed: result.failed, failures: result.failures }).toEqual({ failed: 0, failures: {} });
      expect(strangers(result, reigns)).toEqual([]);
    }
  });

  test('leaves a connection with the backend that it has, even when that leaves the set', async () => {
    const { node1, node2, client } = bed.cluster;
    const service = await bed.expose([node2.pod(1)]);
    const outside = await bed.at(client);
    const { id } = await outside.call('connection.open', { host: node1.address.v4, port: service.nodePort });
    for (const pods of [[node1.pod(1)], [node1.pod(2), node2.pod(2)], []]) {
      await bed.scale(service, pods);
      const exchange = await outside.call('connection.exchange', { id });
      expect(exchange).toMatchObject({ failure: null, greeting: { name: node2.pod(1).name } });
    }
    expect(await outside.get(node1.address.v4, service.nodePort)).toMatchObject({ failure: 'refused' });
    await outside.call('connection.close', { id });
  });
});

describe('scaling', () => {
  test('from no backend to one and back is followed at once, by sockets and packets', async () => {
    const { node1, client } = bed.cluster;
    const service = await bed.expose([]);
    const [pod, outside] = await Promise.all([bed.at(node1.pod(2)), bed.at(client)]);
    for (const pods of [[node1.pod(1)], [], [node1.pod(2)]]) {
      await bed.scale(service, pods);
      const name = pods[0]?.name;
      const wanted = name === undefined ? { failure: 'refused' } : { failure: null, greeting: { name } };
      expect(await pod.get(service.clusterIp.v4, SERVICE_PORT)).toMatchObject(wanted);
      expect(await outside.get(node1.address.v6, service.nodePort)).toMatchObject(wanted);
    }
  });

  test('spreads connections from outside evenly, and both nodes choose the same backend for the same client', async () => {
    const { node1, node2, client, pods } = bed.cluster;
    const service = await bed.expose(pods);
    const outside = await bed.at(client);
    const { id } = await outside.call('load.start', {
      host: node1.address.v4,
      port: service.nodePort,
      concurrency: 16,
      requests: 2000,
      localAddresses: client.addresses.map(({ v4 }) => v4),
    });
    const { backends, failed } = await outside.call('load.finish', { id });
    expect(failed).toBe(0);
    expect(Object.keys(backends)).toHaveLength(pods.length);
    // 500 each expected; 400 is more than 5 standard deviations away
    expect(Math.min(...Object.values(backends))).toBeGreaterThan(400);

    for (let port = 20_000; port < 20_020; port++) {
      const socket = await outside.call('udp.open', { type: 'udp4', bind: client.address.v4, port });
      const ask = async (host: string): Promise<string | undefined> =>
        (await outside.call('udp.exchange', { id: socket.id, host, port: service.nodePort })).greeting?.name;
      expect(await ask(node1.address.v4)).toBe(await ask(node2.address.v4));
      await outside.call('udp.close', { id: socket.id });
    }
  });
});
