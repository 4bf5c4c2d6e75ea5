// SPDX-License-Identifier: Apache-2.0
// Backend sets that change under load. The clocks of all processes here are one, so every connection can be held against
// the lists that were in force while it was made.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '../support/cluster.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { Workload } from '../support/workload.ts';
import type { LoadResult } from '../workloads/protocol.ts';

/** Each gives every one of four Services another list. */
const ROUNDS = 600;

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

/** Endless lists of at least one backend; a fixed sequence, so that a failure can be had again. */
function* lists(pods: readonly Pod[]): Generator<Pod[], never> {
  let state = 20260101;
  let last = 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mask = 1 + ((state >>> 8) % (2 ** pods.length - 1));
    if (mask === last) continue;
    last = mask;
    yield pods.filter((_, n) => (mask >> n) & 1);
  }
}

/** All Services' slices stand in one file: one write changes all, and the agents say once that it was applied. */
class Changes {
  readonly services: readonly ServiceHandle[];
  /** By Service, in order. */
  readonly reigns: Reign[][];
  readonly #draw = lists(bed.cluster.pods);

  constructor(services: readonly ServiceHandle[]) {
    this.services = services;
    this.reigns = services.map(() => []);
  }

  async make(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const next = this.services.map(() => this.#draw.next().value);
      const from = now();
      const slices = this.services.flatMap((service, n) => bed.slicesOf(service, next[n] ?? []));
      await bed.applied(() => bed.manifests.write('changing', ...slices));
      const applied = now();
      for (const [n, reigns] of this.reigns.entries()) {
        const last = reigns.at(-1);
        if (last !== undefined) last.until = applied;
        reigns.push({ from, until: Infinity, names: new Set(next[n]?.map(({ name }) => name)) });
      }
    }
  }
}

function strangers({ samples }: LoadResult, reigns: readonly Reign[]): unknown[] {
  return samples.filter(([start, end, backend]) => {
    const met = reigns.filter(({ from, until }) => from <= end && until >= start);
    return backend === null || !met.some(({ names }) => names.has(backend));
  });
}

describe('sets that change thousands of times', () => {
  test('never refuse or reset a new connection, nor lead it to a backend outside the old and the new list', async () => {
    const { node1, client } = bed.cluster;
    const services: ServiceHandle[] = [];
    for (let n = 0; n < 4; n++) services.push(await bed.expose([]));
    const [a, b, c, d] = services as [ServiceHandle, ServiceHandle, ServiceHandle, ServiceHandle];
    const [pod, host, outside] = await Promise.all([bed.at(node1.pod(1)), bed.at(node1), bed.at(client)]);
    const changes = new Changes(services);
    await changes.make(1);
    const start = async (workload: Workload, address: string, port: number): Promise<() => Promise<LoadResult>> => {
      const { id } = await workload.call('load.start', { host: address, port, concurrency: 2, samples: true });
      return () => workload.call('load.stop', { id });
    };
    const loads = await Promise.all([
      start(pod, a.clusterIp.v4, SERVICE_PORT),
      start(host, b.clusterIp.v6, SERVICE_PORT),
      start(outside, node1.address.v4, c.nodePort),
      start(outside, d.loadBalancerIp.v6, SERVICE_PORT),
    ]);
    await changes.make(ROUNDS);
    for (const [n, stop] of loads.entries()) {
      const result = await stop();
      expect(result.requests).toBeGreaterThan(ROUNDS);
      expect({ failed: result.failed, failures: result.failures }).toEqual({ failed: 0, failures: {} });
      expect(strangers(result, changes.reigns[n] ?? [])).toEqual([]);
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
