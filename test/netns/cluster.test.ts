// SPDX-License-Identifier: Apache-2.0
// The ground that the namespace suites stand on, without bpfsvc: plain traffic reaches what it should, workloads report
// what happened, narrow paths are narrow, and nothing stays.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import { bracket } from '../support/address-plan.ts';
import type { Cluster } from '../support/cluster.ts';
import { createCluster } from '../support/cluster.ts';
import { findLeftovers } from '../support/leftovers.ts';
import type { ClusterOptions } from '../support/topology.ts';
import { Workload } from '../support/workload.ts';

const PORT = 8080;
const MEGABYTE = 1_000_000;

describe.each<[string, ClusterOptions]>([
  ['pods with routes of their own', { pods: 'routed' }],
  ['pods on a bridge, checksums computed', { pods: 'bridge', realChecksums: true }],
  ['gateways with narrow links', { narrow: { client: 1400, node2: 1380 } }],
])('cluster: %s', (_, options) => {
  let cluster: Cluster;
  let server: Workload;
  const start = async (place: Parameters<typeof Workload.start>[0]): Promise<Workload> =>
    cluster.own(await Workload.start(place));

  beforeAll(async () => {
    cluster = await createCluster(options);
    server = await start(cluster.node2.pod(1));
    await server.call('http.listen', { name: 'a', port: PORT });
    await server.call('udp.listen', { name: 'a', port: PORT });
    return () => cluster[Symbol.asyncDispose]();
  });

  test.each(['v4', 'v6'] as const)(
    'a pod, a node and the client reach a pod over %s and are seen by their address',
    async (family) => {
      const host = server.place.address[family];
      for (const place of [cluster.node1.pod(1), cluster.node2.pod(2), cluster.node1, cluster.client]) {
        const workload = await start(place);
        expect(await workload.get(host, PORT)).toMatchObject({
          failure: null,
          peer: { address: host, port: PORT },
          greeting: { name: 'a', client: { address: place.address[family] } },
        });
      }
    },
  );

  test('transfers of several megabytes arrive whole in both directions', async () => {
    const client = await start(cluster.client);
    for (const host of [server.place.address.v4, server.place.address.v6]) {
      const whole = { failure: null, bytes: 8 * MEGABYTE, intact: true, backend: 'a' };
      const { id } = await client.call('download.start', { host, port: PORT, bytes: 8 * MEGABYTE });
      expect(await client.call('download.finish', { id })).toMatchObject(whole);
      expect(await client.call('upload', { host, port: PORT, bytes: 8 * MEGABYTE })).toMatchObject(whole);
    }
  });

  test('UDP sockets of every kind get their answer from the address that they sent to', async () => {
    const client = await start(cluster.client);
    const { v4, v6 } = server.place.address;
    for (const [type, host] of [
      ['udp4', v4],
      ['udp6', v6],
      ['udp6', `::ffff:${v4}`],
    ] as const) {
      const { id } = await client.call('udp.open', { type });
      expect(await client.call('udp.exchange', { id, host, port: PORT, bytes: 1000 })).toMatchObject({
        failure: null,
        from: { address: host, port: PORT },
      });
      expect(await client.call('udp.connect', { id, host, port: PORT })).toMatchObject({ peer: { address: host } });
      expect(await client.call('udp.exchange', { id })).toMatchObject({ greeting: { name: 'a' } });
    }
  });

  test('a closed port is reported as refused, over TCP and UDP', async () => {
    const client = await start(cluster.client);
    for (const host of [server.place.address.v4, server.place.address.v6]) {
      expect(await client.get(host, PORT + 1)).toMatchObject({ failure: 'refused' });
      const { id } = await client.call('udp.open', { type: host.includes(':') ? 'udp6' : 'udp4' });
      await client.call('udp.connect', { id, host, port: PORT + 1 });
      expect(await client.call('udp.exchange', { id })).toMatchObject({ failure: 'refused' });
    }
  });

  test('load counts requests by backend and failures by kind', async () => {
    const client = await start(cluster.client);
    const host = server.place.address.v4;
    const localAddresses = cluster.client.addresses.map(({ v4 }) => v4);
    const good = await client.call('load.start', { host, port: PORT, concurrency: 8, requests: 400, localAddresses });
    const bad = await client.call('load.start', { host, port: PORT + 1, concurrency: 2, requests: 10, samples: true });
    const refused = await client.call('load.finish', bad);
    expect(await client.call('load.finish', good)).toMatchObject({ requests: 400, failed: 0, backends: { a: 400 } });
    expect(refused).toMatchObject({ requests: 10, failures: { refused: 10 } });
    expect(refused.samples).toHaveLength(10);
  });

  test('a connection that its server drops is a failure, not a new connection', async () => {
    const client = await start(cluster.client);
    const doomed = await Workload.start(cluster.node1.pod(2));
    await doomed.call('http.listen', { name: 'b', port: PORT });
    const { id } = await client.call('connection.open', { host: doomed.place.address.v4, port: PORT });
    expect(await client.call('connection.exchange', { id })).toMatchObject({ failure: null, greeting: { name: 'b' } });
    await doomed[Symbol.asyncDispose]();
    await using again = await Workload.start(cluster.node1.pod(2));
    await again.call('http.listen', { name: 'b', port: PORT });
    expect((await client.call('connection.exchange', { id })).failure).toMatch(/^(reset|reconnected)$/);
  });
});

describe('cluster with narrow links', () => {
  test('a host learns the MTU of the path from an ICMP error and not from its interface', async () => {
    await using cluster = await createCluster({ narrow: { client: 1400 } });
    const client = await Workload.start(cluster.client);
    const server = await Workload.start(cluster.node1);
    await server.call('http.listen', { name: 'node1', port: PORT });
    for (const host of [cluster.node1.address.v4, cluster.node1.address.v6]) {
      expect(await client.call('upload', { host, port: PORT, bytes: MEGABYTE })).toMatchObject({ failure: null });
      const route = await cluster.client.run('ip', ['route', 'get', host]);
      expect(route, `route to ${bracket(host)}`).toContain('mtu 1400');
    }
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
});

describe('leftovers', () => {
  /** A process of its own with a cluster, servers and agents; resolves with the cluster's prefix when both are up. */
  const elsewhere = async (): Promise<{ child: ChildProcess; prefix: string }> => {
    const program = `
      const { Testbed } = await import(${JSON.stringify(moduleUrl('testbed'))});
      const { cluster } = await Testbed.create();
      console.log(cluster.prefix);
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [prefix] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    return { child, prefix: prefix.trim() };
  };

  test('nothing stays after a cluster, even with processes in it that nobody ended', async () => {
    const cluster = await createCluster();
    await Workload.start(cluster.client);
    await Workload.start(cluster.node1.pod(1));
    expect(findLeftovers(cluster.prefix)).not.toEqual([]);
    await cluster[Symbol.asyncDispose]();
    expect(findLeftovers(cluster.prefix)).toEqual([]);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('nothing stays of a process that gets %s', async (signal) => {
    const { child, prefix } = await elsewhere();
    child.kill(signal);
    await once(child, 'exit');
    expect(findLeftovers(prefix)).toEqual([]);
  });

  test('what a killed process left is removed by the next cluster', async () => {
    const { child, prefix } = await elsewhere();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(findLeftovers(prefix)).not.toEqual([]);
    await using cluster = await createCluster();
    expect(cluster.prefix).not.toBe(prefix);
    expect(findLeftovers(prefix)).toEqual([]);
  });
});

function moduleUrl(name: string): string {
  return new URL(`../support/${name}.ts`, import.meta.url).href;
}
