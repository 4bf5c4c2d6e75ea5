// SPDX-License-Identifier: Apache-2.0
// Files that are edited, replaced, broken and removed while the agent runs, and what becomes of connections. The rules of
// the formats are unit tests; here it is seen that an edit reaches the kernel.

import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { clusterIp, externalIp } from '../support/address-plan.ts';
import type { Pod } from '../support/cluster.ts';
import { BACKEND_PORT, Testbed } from '../support/testbed.ts';
import { waitFor } from '../support/wait.ts';
import type { Workload } from '../support/workload.ts';
import type { Exchange } from '../workloads/protocol.ts';

let bed: Testbed;
let client: Workload;
let pods: readonly [Pod, Pod];

beforeAll(async () => {
  bed = await Testbed.create();
  client = await bed.at(bed.cluster.node1);
  pods = [bed.cluster.node1.pod(1), bed.cluster.node2.pod(1)];
  return () => bed[Symbol.asyncDispose]();
});

/** As people write it, with Endpoints by hand instead of a selector. */
function yaml(name: string, ip: string, port: number, pod: Pod): string {
  return `# comments are fine
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  clusterIP: ${ip}
  ports:
  - port: ${port}
    targetPort: web
---
apiVersion: v1
kind: Endpoints
metadata: {name: ${name}}
subsets:
- addresses: [{ip: ${pod.address.v4}, nodeName: ${pod.name.startsWith('pod1') ? 'node1' : 'node2'}}]
  ports: [{port: ${BACKEND_PORT}}]
`;
}

async function becomes(
  host: string,
  port: number,
  wanted: Partial<Exchange> | { greeting: { name: string } },
): Promise<void> {
  let last: Exchange | undefined;
  await waitFor(`${host}:${port} to become ${JSON.stringify(wanted)}`, async () => {
    last = await client.get(host, port, 500);
    return 'failure' in wanted ? last.failure === wanted.failure : last.greeting?.name === wanted.greeting?.name;
  }).catch((error: unknown) => {
    throw new Error(`last seen: ${JSON.stringify(last)}`, { cause: error });
  });
}

describe('a manifest file', () => {
  test('with a Service without selector and Endpoints by hand works, and follows every edit', async () => {
    const ip = clusterIp(50).v4;
    await bed.manifests.writeText('edited.yaml', yaml('edited', ip, 80, pods[0]));
    await becomes(ip, 80, { greeting: { name: pods[0].name } });
    await bed.manifests.writeText('edited.yaml', yaml('edited', ip, 80, pods[1]));
    await becomes(ip, 80, { greeting: { name: pods[1].name } });
    await bed.manifests.writeText('edited.yaml', yaml('edited', ip, 81, pods[1]));
    await becomes(ip, 81, { greeting: { name: pods[1].name } });
    expect((await client.get(ip, 80, 500)).failure).not.toBeNull();
  });

  test('that is written in place, in pieces, is taken up when it is whole', async () => {
    const ip = clusterIp(51).v4;
    const path = join(bed.manifests.directory, 'pieces.yml');
    const text = yaml('pieces', ip, 80, pods[0]);
    await writeFile(path, text.slice(0, 90));
    await appendFile(path, text.slice(90, 200));
    await appendFile(path, text.slice(200));
    await becomes(ip, 80, { greeting: { name: pods[0].name } });
  });

  test('that becomes invalid keeps its last good state and is reported by file, field and reason', async () => {
    const ip = clusterIp(52).v4;
    const good = yaml('broken', ip, 80, pods[0]);
    await bed.manifests.writeText('broken.yaml', good);
    await becomes(ip, 80, { greeting: { name: pods[0].name } });
    const agent = bed.agent(1);
    const mark = agent.log.length;
    await bed.manifests.writeText('broken.yaml', good.replace('port: 80', 'port: 80000'));
    const report = await waitFor('a report', () =>
      agent.log
        .slice(mark)
        .map((event) => JSON.stringify(event))
        .find((line) => line.includes('broken.yaml')),
    );
    expect(report).toMatch(/ports\[0\]\.port/);
    expect(report).toMatch(/80000/);
    expect(report).toMatch(/65535/);
    expect(await client.get(ip, 80)).toMatchObject({ greeting: { name: pods[0].name } });
    await bed.manifests.writeText('broken.yaml', good.replace(pods[0].address.v4, pods[1].address.v4));
    await becomes(ip, 80, { greeting: { name: pods[1].name } });
  });

  test('that is removed takes its Services with it and no others', async () => {
    const [gone, stays] = [clusterIp(53).v4, clusterIp(54).v4];
    await bed.manifests.writeText('gone.yaml', yaml('gone', gone, 80, pods[0]));
    await bed.manifests.writeText('stays.yaml', yaml('stays', stays, 80, pods[0]));
    await becomes(gone, 80, { greeting: { name: pods[0].name } });
    await becomes(stays, 80, { greeting: { name: pods[0].name } });
    await rm(join(bed.manifests.directory, 'gone.yaml'));
    await waitFor('it to be gone', async () => (await client.get(gone, 80, 300)).failure !== null);
    expect(await client.get(stays, 80)).toMatchObject({ failure: null });
  });

  test('that starts with a dot or ends with .tmp is not read', async () => {
    const [hidden, seen] = [clusterIp(55).v4, clusterIp(56).v4];
    await bed.manifests.writeText('.hidden.yaml', yaml('hidden', hidden, 80, pods[0]));
    await bed.manifests.writeText('half.yaml.tmp', yaml('half', hidden, 80, pods[0]));
    await bed.manifests.writeText('seen.yaml', yaml('seen', seen, 80, pods[0]));
    await becomes(seen, 80, { greeting: { name: pods[0].name } });
    expect((await client.get(hidden, 80, 300)).failure).not.toBeNull();
  });
});

describe('types of Services', () => {
  test('several named ports lead to the endpoint port of the same name, and TCP and UDP are apart', async () => {
    const ip = clusterIp(57).v4;
    const ports = [
      { name: 'a', port: 80, targetPort: BACKEND_PORT },
      { name: 'b', port: 81, targetPort: BACKEND_PORT + 1 },
      { name: 'c', protocol: 'UDP' as const, port: 80, targetPort: BACKEND_PORT },
    ];
    await bed.applied(() => bed.manifests.writeService('ports', { clusterIPs: [ip], ports }, bed.endpoints([pods[1]])));
    expect(await client.get(ip, 80)).toMatchObject({ greeting: { name: pods[1].name } });
    expect(await client.get(ip, 81)).toMatchObject({ failure: 'refused' });
    const { id } = await client.call('udp.open', { type: 'udp4' });
    expect(await client.call('udp.exchange', { id, host: ip, port: 80 })).toMatchObject({
      greeting: { name: pods[1].name },
    });
    await client.call('udp.close', { id });
  });

  test('a Service that changes from LoadBalancer to ClusterIP loses its outside addresses and keeps the inner one', async () => {
    const [inner, outer] = [clusterIp(58), externalIp(58)];
    const port = { port: 80, targetPort: BACKEND_PORT };
    const outside = await bed.at(bed.cluster.client);
    const endpoints = bed.endpoints([pods[0]]);
    const write = (type: 'LoadBalancer' | 'ClusterIP'): Promise<void> =>
      bed.applied(() =>
        bed.manifests.writeService(
          'changing',
          {
            type,
            clusterIPs: [inner.v4, inner.v6],
            ports: [type === 'ClusterIP' ? port : { ...port, nodePort: 30158 }],
            ...(type === 'ClusterIP' ? {} : { loadBalancerIPs: [outer.v4, outer.v6] }),
          },
          endpoints,
        ),
      );
    await write('LoadBalancer');
    expect(await outside.get(outer.v6, 80)).toMatchObject({ greeting: { name: pods[0].name } });
    expect(await outside.get(bed.cluster.node1.address.v4, 30158)).toMatchObject({ failure: null });
    await write('ClusterIP');
    expect(await client.get(inner.v6, 80)).toMatchObject({ greeting: { name: pods[0].name } });
    expect((await outside.get(outer.v6, 80, 300)).failure).not.toBeNull();
    expect(await outside.get(bed.cluster.node1.address.v4, 30158)).toMatchObject({ failure: 'refused' });
  });
});
