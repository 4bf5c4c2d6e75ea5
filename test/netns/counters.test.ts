// SPDX-License-Identifier: Apache-2.0
// What the programs count, held against what the clients did.

import { beforeAll, describe, expect, test } from 'vitest';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { ServiceHandle } from '../support/testbed.ts';

const CONNECTIONS = 60;
const BYTES = 300_000;

interface BackendCounters {
  readonly address: string;
  readonly connections: { readonly active: number; readonly opened: number };
  readonly packets: { readonly in: number; readonly out: number };
  readonly bytes: { readonly in: number; readonly out: number };
}

let bed: Testbed;
beforeAll(async () => {
  bed = await Testbed.create();
  return () => bed[Symbol.asyncDispose]();
});

async function backendsOf(service: ServiceHandle, port: string, family: 4 | 6): Promise<readonly BackendCounters[]> {
  const { services } = JSON.parse(await bed.agent(1).cli('services', '-o', 'json')) as {
    services: { name: string; family: number; backends: BackendCounters[] }[];
  };
  const found = services.find((row) => row.name === `default/${service.name}:${port}` && row.family === family);
  if (found === undefined) throw new Error(`no ${service.name} in ${JSON.stringify(services)}`);
  return found.backends;
}

async function drops(reason: string): Promise<number> {
  const status = JSON.parse(await bed.agent(1).cli('status', '-o', 'json')) as {
    drops: { reason: string; packets: number }[];
  };
  return status.drops.find((row) => row.reason === reason)?.packets ?? -1;
}

function sum(rows: readonly BackendCounters[], of: (row: BackendCounters) => number): number {
  return rows.reduce((total, row) => total + of(row), 0);
}

describe.each(['inside', 'outside'] as const)('connections from %s', (where) => {
  test('are counted per backend, as many as were made', async () => {
    const { node1, client, pods } = bed.cluster;
    const service = await bed.expose(pods);
    const workload = await bed.at(where === 'inside' ? node1.pod(1) : client);
    const [host, port] =
      where === 'inside' ? [service.clusterIp.v4, SERVICE_PORT] : [node1.address.v4, service.nodePort];
    const { id } = await workload.call('load.start', { host, port, concurrency: 4, requests: CONNECTIONS });
    const { backends } = await workload.call('load.finish', { id });
    const rows = await backendsOf(service, 'http', 4);
    const counted = rows.map(({ address, connections }) => [
      pods.find((pod) => pod.address.v4 === address)?.name,
      connections.opened,
    ]);
    expect(Object.fromEntries(counted)).toEqual({
      ...Object.fromEntries(pods.map(({ name }) => [name, 0])),
      ...backends,
    });
    expect(sum(await backendsOf(service, 'http', 6), ({ connections }) => connections.opened)).toBe(0);
  });

  test('that stay open are shown as active until they are closed', async () => {
    const { node1, client } = bed.cluster;
    const service = await bed.expose([node1.pod(2)]);
    const workload = await bed.at(where === 'inside' ? node1.pod(1) : client);
    const [host, port] =
      where === 'inside' ? [service.clusterIp.v6, SERVICE_PORT] : [node1.address.v6, service.nodePort];
    const active = async (): Promise<number> =>
      sum(await backendsOf(service, 'http', 6), ({ connections }) => connections.active);
    const { id } = await workload.call('connection.open', { host, port });
    expect(await active()).toBe(1);
    await workload.call('connection.close', { id });
    await expect.poll(active).toBe(0);
  });
});

describe('packets and bytes', () => {
  test.each(['local', 'remote'] as const)('to a %s backend are counted in both directions', async (where) => {
    const { node1, node2, client } = bed.cluster;
    const service = await bed.expose([(where === 'local' ? node1 : node2).pod(1)]);
    const outside = await bed.at(client);
    const { id } = await outside.call('download.start', {
      host: node1.address.v4,
      port: service.nodePort,
      bytes: BYTES,
    });
    expect(await outside.call('download.finish', { id })).toMatchObject({ failure: null });
    const rows = await backendsOf(service, 'http', 4);
    const out = sum(rows, ({ bytes }) => bytes.out);
    // headers on top, once per segment; segments may be as large as GRO and TSO make them
    expect(out).toBeGreaterThan(BYTES);
    expect(out).toBeLessThan(1.1 * BYTES);
    expect(sum(rows, ({ packets }) => packets.out)).toBeGreaterThan(4);
    expect(sum(rows, ({ packets }) => packets.in)).toBeGreaterThan(4);
  });
});

describe('refusals', () => {
  test('are counted by their reason, on sockets and packets', async () => {
    const { node1, client } = bed.cluster;
    const empty = await bed.expose([]);
    const before = await drops('no_backend');
    await (await bed.at(node1)).get(empty.clusterIp.v4, SERVICE_PORT);
    await (await bed.at(client)).get(node1.address.v6, empty.nodePort);
    expect(await drops('no_backend')).toBe(before + 2);
    expect(await drops('stale_set')).toBe(0);
    expect(await drops('helper_failed')).toBe(0);
  });
});
