// SPDX-License-Identifier: Apache-2.0
// Traffic from outside the cluster, translated per packet on the node's uplink: to backends on this node with the client's
// own address, to backends on the other node behind this node's address.

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DualStack, Family } from '../support/address-plan.ts';
import { pick } from '../support/address-plan.ts';
import type { ClusterNode } from '../support/cluster.ts';
import type { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { ClusterOptions } from '../support/topology.ts';
import type { Workload } from '../support/workload.ts';

const MEGABYTE = 1_000_000;
const WITH_OPTIONS = fileURLToPath(new URL('programs/with-options.pl', import.meta.url));

type Where = 'local' | 'remote';

/** Everything is routed to node 1; the backends are on node 1 (local) or node 2 (remote). */
const FRONTENDS: Record<string, (bed: Testbed, of: ServiceHandle) => readonly [DualStack, number]> = {
  NodePort: (bed, of) => [bed.cluster.node1.address, of.nodePort],
  'external IP': (_, of) => [of.externalIp, SERVICE_PORT],
  'LoadBalancer IP': (_, of) => [of.loadBalancerIp, SERVICE_PORT],
  'cluster IP that is routed here': (_, of) => [of.clusterIp, SERVICE_PORT],
};

describe.each<[string, ClusterOptions & { readonly lateChecksums?: boolean }]>([
  ['routed pods, strict rp_filter', { pods: 'routed', rpFilter: 1 }],
  ['bridged pods, loose rp_filter, checksums computed', { pods: 'bridge', rpFilter: 2, realChecksums: true }],
  ['checksums computed when packets leave the node', { lateChecksums: true }],
])('from outside: %s', (_, options) => {
  let bed: Testbed;
  let client: Workload;
  let services: Record<Where, ServiceHandle>;
  let empty: ServiceHandle;

  beforeAll(async () => {
    bed = await Testbed.create(options);
    // What comes without a finished checksum, as from a guest of the same host, gets one from the node's own device.
    if (options.lateChecksums === true) await bed.cluster.node1.run('ethtool', ['-K', 'eth0', 'tx', 'off']);
    services = { local: await bed.expose(bed.cluster.node1.pods), remote: await bed.expose(bed.cluster.node2.pods) };
    empty = await bed.expose([]);
    client = await bed.at(bed.cluster.client);
    return () => bed[Symbol.asyncDispose]();
  });

  const frontend = (name: string, of: ServiceHandle, family: Family): [host: string, port: number] => {
    const [address, port] = FRONTENDS[name]?.(bed, of) ?? [{ v4: '', v6: '' }, 0];
    return [pick(address, family), port];
  };
  const sees = (where: Where): DualStack => (where === 'local' ? bed.cluster.client : bed.cluster.node1).address;
  const backends = (where: Where): ClusterNode => (where === 'local' ? bed.cluster.node1 : bed.cluster.node2);

  describe.each([4, 6] as const)('over IPv%i', (family) => {
    describe.each(Object.keys(FRONTENDS))('%s', (name) => {
      test.each<[Where, string]>([
        ['local', "a backend on this node sees the client's address"],
        ['remote', "a backend on another node sees this node's address"],
      ])('%s: %s, over TCP', async (where) => {
        const [host, port] = frontend(name, services[where], family);
        const exchange = await client.get(host, port);
        expect(exchange).toMatchObject({ failure: null, greeting: { client: { address: pick(sees(where), family) } } });
        expect(backends(where).pods.map((pod) => pod.name)).toContain(exchange.greeting?.name);
      });

      test.each<Where>(['local', 'remote'])('%s: UDP is answered by the frontend', async (where) => {
        const [host, port] = frontend(name, services[where], family);
        const { id } = await client.call('udp.open', { type: `udp${family}` });
        expect(await client.call('udp.exchange', { id, host, port, bytes: 1400 })).toMatchObject({
          failure: null,
          from: { address: host, port },
          greeting: { client: { address: pick(sees(where), family) } },
        });
        await client.call('udp.close', { id });
      });

      if (family === 4) {
        test.each(['tcp', 'udp'])(
          'packets with IPv4 options are translated and refused like others: %s',
          async (proto) => {
            for (const where of ['local', 'remote'] as const) {
              const [host, port] = frontend(name, services[where], family);
              const answer = await withOptions(bed.cluster.client, proto, host, port);
              expect(answer).toContain(`"address":"${sees(where).v4}"`);
            }
            const [host, port] = frontend(name, empty, family);
            expect(await withOptions(bed.cluster.client, proto, host, port)).toBe('Connection refused');
          },
        );
      }

      test('without backends TCP is reset and UDP is told that the port is unreachable', async () => {
        const [host, port] = frontend(name, empty, family);
        expect(await client.get(host, port)).toMatchObject({ failure: 'refused' });
        const { id } = await client.call('udp.open', { type: `udp${family}` });
        await client.call('udp.connect', { id, host, port });
        expect(await client.call('udp.exchange', { id })).toMatchObject({ failure: 'refused' });
        await client.call('udp.close', { id });
      });
    });

    test.each<Where>(['local', 'remote'])('%s: megabytes arrive whole in both directions', async (where) => {
      const [host, port] = frontend('LoadBalancer IP', services[where], family);
      const whole = { failure: null, bytes: 16 * MEGABYTE, intact: true };
      const { id } = await client.call('download.start', { host, port, bytes: 16 * MEGABYTE });
      expect(await client.call('download.finish', { id })).toMatchObject(whole);
      expect(await client.call('upload', { host, port, bytes: 16 * MEGABYTE })).toMatchObject(whole);
    });

    test.each<Where>(['local', 'remote'])('%s: hundreds of connections at once lose nothing', async (where) => {
      const [host, port] = frontend('NodePort', services[where], family);
      const before = await bed.cluster.client.counters();
      const { id } = await client.call('load.start', { host, port, concurrency: 64, requests: 1000 });
      const result = await client.call('load.finish', { id });
      expect(result).toMatchObject({ requests: 1000, failed: 0 });
      const after = await bed.cluster.client.counters();
      const retransmitted = (counters: ReadonlyMap<string, bigint>): bigint =>
        counters.get('TcpExt.TCPSynRetrans') ?? -1n;
      expect(retransmitted(after) - retransmitted(before)).toBe(0n);
    });

    test('the first datagram is not lost when the node does not know its neighbours', async () => {
      const [host, port] = frontend('NodePort', services.remote, family);
      for (let round = 0; round < 5; round++) {
        for (const device of ['eth0', 'pod1', 'pod2']) await bed.cluster.node1.ip(`neigh flush dev ${device}`);
        const { id } = await client.call('udp.open', { type: `udp${family}` });
        expect(await client.call('udp.exchange', { id, host, port })).toMatchObject({ failure: null });
        await client.call('udp.close', { id });
      }
    });

    test('a connection goes on when the neighbour of the next hop has been forgotten', async () => {
      const [host, port] = frontend('NodePort', services.remote, family);
      const { id } = await client.call('connection.open', { host, port });
      for (let round = 0; round < 3; round++) {
        await bed.cluster.node1.ip('neigh flush dev eth0');
        expect(await client.call('connection.exchange', { id })).toMatchObject({ failure: null });
      }
      await client.call('connection.close', { id });
    });

    test('a port of the node that is no NodePort is left to the node', async () => {
      const address = pick(bed.cluster.node1.address, family);
      expect(await client.get(address, 30999)).toMatchObject({ failure: 'refused' });
    });
  });

  test('one client port that talks to one backend through two frontends keeps both connections apart', async () => {
    const other = await bed.expose(bed.cluster.node1.pods.slice(0, 1));
    const again = await bed.expose(bed.cluster.node1.pods.slice(0, 1));
    const { id } = await client.call('udp.open', { type: 'udp4' });
    for (const { nodePort } of [other, again, other, again]) {
      const host = bed.cluster.node1.address.v4;
      expect(await client.call('udp.exchange', { id, host, port: nodePort })).toMatchObject({
        from: { port: nodePort },
      });
    }
    await client.call('udp.close', { id });
  });
});

function withOptions(client: Place, proto: string, host: string, port: number): Promise<string> {
  return client.run('perl', [WITH_OPTIONS, proto, host, String(port), '700']);
}
