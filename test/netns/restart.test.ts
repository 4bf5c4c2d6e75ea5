// SPDX-License-Identifier: Apache-2.0
// An agent that is killed and started again: running connections do not notice, new ones are made all the while, and what
// changed in the manifests meanwhile is in force afterwards.

import { beforeEach, describe, expect, test } from 'vitest';
import type { Agent } from '../support/agent.ts';
import { service } from '../support/objects.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { waitFor } from '../support/wait.ts';
import type { Workload } from '../support/workload.ts';

const MEGABYTE = 1_000_000;

let bed: Testbed;
beforeEach(async () => {
  bed = await Testbed.create();
  return () => bed[Symbol.asyncDispose]();
});

/** Slow enough to span what happens meanwhile, whatever the machine. */
async function longDownload(
  client: Workload,
  host: string,
  port: number,
): Promise<{ id: number; finish: () => Promise<unknown> }> {
  const { id } = await client.call('download.start', { host, port, bytes: 6 * MEGABYTE, rate: 2 * MEGABYTE });
  await waitFor('the download to run', async () => (await client.call('download.progress', { id })).bytes > 0);
  return { id, finish: () => client.call('download.finish', { id }) };
}

describe('an agent that is killed with SIGKILL', () => {
  test('leaves downloads through every path and 1,000 new connections untouched, dead and restarted', async () => {
    const service = await bed.expose(bed.cluster.pods);
    const remote = await bed.expose(bed.cluster.node2.pods);
    const local = await bed.expose(bed.cluster.node1.pods);
    const { node1, client } = bed.cluster;
    const [pod, outside, load] = await Promise.all([bed.at(node1.pod(1)), bed.at(client), bed.at(node1)]);
    const downloads = await Promise.all([
      longDownload(pod, service.clusterIp.v4, SERVICE_PORT),
      longDownload(pod, service.clusterIp.v6, SERVICE_PORT),
      longDownload(outside, node1.address.v4, local.nodePort),
      longDownload(outside, node1.address.v6, remote.nodePort),
      longDownload(outside, remote.loadBalancerIp.v4, SERVICE_PORT),
    ]);
    const connect = async (workload: Workload, host: string, port: number): Promise<void> => {
      const { id } = await workload.call('load.start', { host, port, concurrency: 4, requests: 250 });
      expect(await workload.call('load.finish', { id })).toMatchObject({ requests: 250, failed: 0 });
    };

    await bed.agent(1).kill();
    await connect(load, service.clusterIp.v4, SERVICE_PORT);
    await connect(outside, node1.address.v6, service.nodePort);
    const restarted = bed.agent(1).start();
    await connect(load, service.clusterIp.v6, SERVICE_PORT);
    await connect(outside, node1.address.v4, service.nodePort);
    await restarted;

    for (const { finish } of downloads) {
      expect(await finish()).toMatchObject({ failure: null, bytes: 6 * MEGABYTE, intact: true });
    }
  });

  test('takes up what changed while it was dead', async () => {
    const { node1, client } = bed.cluster;
    const grown = await bed.expose(node1.pods.slice(0, 1));
    const removed = await bed.expose(node1.pods);
    const outside = await bed.at(client);
    await bed.agent(1).kill();
    await bed.manifests.remove(removed.name);
    await bed.scale(grown, node1.pods.slice(1));
    expect(await outside.get(node1.address.v4, grown.nodePort)).toMatchObject({
      greeting: { name: node1.pod(1).name },
    });
    await bed.agent(1).start();
    expect(await outside.get(node1.address.v4, grown.nodePort)).toMatchObject({
      greeting: { name: node1.pod(2).name },
    });
    expect(await outside.get(node1.address.v4, removed.nodePort)).toMatchObject({ failure: 'refused' });
  });

  test('keeps what stands in files that are broken when it starts, and applies the others', async () => {
    const { node1, client } = bed.cluster;
    const [broken, half, changed, removed] = [
      await bed.expose(node1.pods),
      await bed.expose(node1.pods),
      await bed.expose(node1.pods.slice(0, 1)),
      await bed.expose(node1.pods),
    ];
    const [pod, outside] = await Promise.all([bed.at(node1.pod(2)), bed.at(client)]);
    const answers = async ({ clusterIp, nodePort }: ServiceHandle): Promise<(string | null)[]> => [
      (await pod.get(clusterIp.v4, SERVICE_PORT)).failure,
      (await pod.get(clusterIp.v6, SERVICE_PORT)).failure,
      (await outside.get(node1.address.v4, nodePort)).failure,
    ];
    const download = await longDownload(outside, node1.address.v4, removed.nodePort);

    await bed.agent(1).kill();
    await bed.manifests.writeText(`${broken.name}.yaml`, 'kind: [');
    await bed.manifests.remove(removed.name);
    await bed.manifests.writeText('slices.yaml', 'kind: [');
    await bed.manifests.write(half.name, service(half.name, bed.serviceSpec(half)));
    await bed.scale(changed, node1.pods.slice(1));
    await bed.agent(1).start();

    for (const handle of [broken, half, removed]) expect(await answers(handle)).toEqual([null, null, null]);
    expect(await outside.get(node1.address.v4, changed.nodePort)).toMatchObject({
      greeting: { name: node1.pod(2).name },
    });
    const kept = bed.agent(1).log.filter(({ msg }) => msg.startsWith('keeping'));
    expect(kept).toEqual([
      expect.objectContaining({
        services: `default/${broken.name}, default/${removed.name}`,
        backendsOf: `default/${half.name}`,
      }),
    ]);
    expect(await download.finish()).toMatchObject({ failure: null, intact: true });
    const { problems } = (await reportOf(bed.agent(1))).report;
    expect(problems.map(({ about }) => about).sort()).toEqual(['manifests', 'manifests', 'services']);
    expect(problems.at(-1)?.message).toContain(
      `Services default/${broken.name}, default/${removed.name} and backends of default/${half.name} stay as they were`,
    );

    await bed.manifests.write('slices', ...bed.slicesOf(half, node1.pods));
    await bed.scale(broken, node1.pods);
    await waitFor('the removed one to go', async () => (await answers(removed))[2] === 'refused');
    for (const handle of [broken, half]) expect(await answers(handle)).toEqual([null, null, null]);
    await waitFor('no problems', async () => (await reportOf(bed.agent(1))).report.problems.length === 0);
  });

  test('is missed by status, which still shows what it had to complain of', async () => {
    await bed.manifests.writeText('broken.yaml', 'kind: [');
    await waitFor('the problem', async () => (await reportOf(bed.agent(1))).report.problems.length === 1);
    const { pid } = bed.agent(1);
    expect(await reportOf(bed.agent(1))).toMatchObject({ running: true, pid, report: { pid, state: 'ready' } });
    await bed.agent(1).kill();
    const found = await reportOf(bed.agent(1));
    expect(found).toMatchObject({ running: false, pid: null, report: { pid, state: 'ready', node: 'node1' } });
    expect(found.report.problems).toHaveLength(1);
    expect(found.report.problems[0]).toMatchObject({ about: 'manifests' });
    expect(found.report.problems[0]?.message).toMatch(/broken\.yaml:1:\d+: is not YAML/);
    expect(await bed.agent(1).cli('status')).toMatch(/was ready and ended without a word[^]*in the last report:/);
    const start = bed.agent(1).cli('run', '--manifests', '/nowhere', '--cgroup', bed.cluster.node1.agentCgroup);
    await expect(start).rejects.toThrow('there is no such path');
    const { report } = await reportOf(bed.agent(1));
    expect(report.problems).toMatchObject([{ about: 'start', message: expect.stringContaining('/nowhere') as string }]);
    expect(report).toMatchObject({ state: 'stopped' });
    await bed.manifests.remove('broken');
    await bed.agent(1).start();
    expect(await reportOf(bed.agent(1))).toMatchObject({ running: true, report: { state: 'ready', problems: [] } });
  });

  test('gives Services without addresses the same ones again', async () => {
    const { node1 } = bed.cluster;
    const spec = { type: 'NodePort' as const, ports: [{ port: SERVICE_PORT, targetPort: 8080 }] };
    for (const name of ['one', 'two', 'three']) {
      await bed.applied(() => bed.manifests.writeService(name, spec, bed.endpoints(node1.pods)));
    }
    const before = await frontends(bed.agent(1));
    expect(before).toHaveLength(6);
    await bed.agent(1).kill();
    await bed.manifests.remove('one');
    await bed.agent(1).start();
    expect(await frontends(bed.agent(1))).toEqual(before.filter((frontend) => !frontend.startsWith('default/one')));
  });
});

describe('an agent that is stopped with SIGTERM', () => {
  test('leaves the datapath on', async () => {
    const service = await bed.expose(bed.cluster.pods);
    await bed.agent(1).stop();
    expect(await reportOf(bed.agent(1))).toMatchObject({ running: false, report: { state: 'stopped' } });
    const [pod, outside] = await Promise.all([bed.at(bed.cluster.node1.pod(1)), bed.at(bed.cluster.client)]);
    expect(await pod.get(service.clusterIp.v6, SERVICE_PORT)).toMatchObject({ failure: null });
    expect(await outside.get(bed.cluster.node1.address.v4, service.nodePort)).toMatchObject({ failure: null });
  });
});

describe('cleanup', () => {
  test('ends the translation on its node and leaves the other node alone', async () => {
    const service = await bed.expose(bed.cluster.pods);
    const [pod1, pod2, outside] = await Promise.all([
      bed.at(bed.cluster.node1.pod(1)),
      bed.at(bed.cluster.node2.pod(1)),
      bed.at(bed.cluster.client),
    ]);
    await bed.agent(1).stop();
    await bed.agent(1).cli('cleanup');
    expect((await pod1.get(service.clusterIp.v4, SERVICE_PORT, 500)).failure).not.toBeNull();
    expect(await outside.get(bed.cluster.node1.address.v4, service.nodePort)).toMatchObject({ failure: 'refused' });
    expect(await pod2.get(service.clusterIp.v4, SERVICE_PORT)).toMatchObject({ failure: null });
    expect(await outside.get(bed.cluster.node2.address.v4, service.nodePort)).toMatchObject({ failure: null });
    // the kernel puts maps.debug and progs.debug into every bpffs
    const pins = await bed.cluster.node1.run('find', [
      bed.cluster.node1.bpffs,
      '-mindepth',
      '1',
      '-not',
      '-name',
      '*.debug',
    ]);
    expect(pins).toBe('');
  });
});

/** What `bpfsvc status` says of an agent. */
async function reportOf(agent: Agent): Promise<{ report: { problems: { about: string; message: string }[] } }> {
  const { agent: of } = JSON.parse(await agent.cli('status', '-o', 'json')) as {
    agent: { report: { problems: { about: string; message: string }[] } };
  };
  return of;
}

/** Of every Service, as `bpfsvc services` shows them: kind, address and port. */
async function frontends(agent: Agent): Promise<string[]> {
  const { services } = JSON.parse(await agent.cli('services', '-o', 'json')) as {
    services: { name: string; frontends: { kind: string; address: string; port: number }[] }[];
  };
  const lines = services.flatMap(({ name, frontends: list }) =>
    list.map(({ kind, address, port }) => `${name} ${kind} ${address} ${port}`),
  );
  return lines.sort();
}
