// SPDX-License-Identifier: Apache-2.0
// The scenes: each does one thing to the cluster, says what was seen, and whether that is what it should be.

import type { Family } from '../test/support/address-plan.ts';
import { bracket, pick } from '../test/support/address-plan.ts';
import type { Place } from '../test/support/place.ts';
import { waitFor } from '../test/support/wait.ts';
import { serviceYaml } from './manifests.ts';
import type { Report } from './report.ts';
import { plural } from './report.ts';
import type { LoadSums, Stage } from './stage.ts';

type Scene = (stage: Stage, report: Report) => Promise<void>;

const FAMILIES: readonly Family[] = [4, 6];
const SHARE_CONNECTIONS = 4000;
const MEGABYTE = 1_000_000;

const applyServices: Scene = async (stage, report) => {
  report.step('Apply Services, as plain YAML in a directory');
  const { cluster, web, near, far } = stage;
  report.output(serviceYaml(web));
  const started = performance.now();
  for (const service of [web, near, far]) await stage.apply(`${service.name}.yaml`, serviceYaml(service));
  await stage.scale(web, cluster.pods);
  await stage.scale(near, cluster.node1.pods);
  await stage.scale(far, cluster.node2.pods);
  const elapsed = Math.round(performance.now() - started);
  report.note(
    `web: all 4 pods. near: those of node1. far: those of node2. In force on both nodes after ${elapsed} ms.`,
  );
};

const clusterIp: Scene = async (stage, report) => {
  report.step('Connect to a cluster IP from a pod and from a node');
  const { node1 } = stage.cluster;
  for (const [from, place] of [
    ['pod', node1.pod(1)],
    ['node', node1],
  ] as const) {
    for (const family of FAMILIES) {
      const host = pick(stage.web.clusterIp, family);
      await showExchange(stage, report, `cluster IP from a ${from}, IPv${family}`, place, host, 80, undefined);
    }
  }
};

const nodePort: Scene = async (stage, report) => {
  report.step('Connect to a NodePort from outside: backend on the same node, backend on the other node');
  const { client, node1 } = stage.cluster;
  for (const [where, service, seenFrom] of [
    ['this node, client address kept', stage.near, client],
    ['the other node, behind node1', stage.far, node1],
  ] as const) {
    for (const family of FAMILIES) {
      const title = `NodePort to ${where}, IPv${family}`;
      const host = pick(node1.address, family);
      await showExchange(stage, report, title, client, host, service.nodePort, pick(seenFrom.address, family));
    }
  }
};

const maglevShare: Scene = async (stage, report) => {
  report.step(`Share of ${plural(SHARE_CONNECTIONS, 'connection')} from outside, by Maglev`);
  const { client, node1, pods } = stage.cluster;
  const workload = await stage.workload(client);
  const { id } = await workload.call('load.start', {
    host: node1.address.v4,
    port: stage.web.nodePort,
    concurrency: 16,
    requests: SHARE_CONNECTIONS,
    localAddresses: client.addresses.map(({ v4 }) => v4),
  });
  const { backends, failed } = await workload.call('load.finish', { id });
  const shares = pods.map(({ name }) => (100 * (backends[name] ?? 0)) / SHARE_CONNECTIONS);
  report.table(
    pods.map(({ name }, n) => [
      name,
      String(backends[name] ?? 0),
      bar(shares[n] ?? 0),
      `${(shares[n] ?? 0).toFixed(1)} %`,
    ]),
  );
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  // 25 % each; a share's standard deviation is 0.7 %, the table's own imbalance below 1 %
  const ok = failed === 0 && least > 21 && most < 29;
  const seen = `${least.toFixed(1)} to ${most.toFixed(1)} % per backend, ${plural(failed, 'failure')}`;
  report.finding(`share of ${plural(SHARE_CONNECTIONS, 'connection')} on 4 backends`, seen, ok);
};

const scaling: Scene = async (stage, report) => {
  report.step('Scale web from 2 backends to 4, to 1, under load');
  const { pods } = stage.cluster;
  await stage.scale(stage.web, pods.slice(0, 2));
  const load = await stage.load(stage.web);
  await load.more(300);
  for (const count of [4, 1]) {
    await stage.scale(stage.web, pods.slice(-count));
    report.note(
      `now ${plural(count, 'backend')}: ${pods
        .slice(-count)
        .map(({ name }) => name)
        .join(', ')}`,
    );
    await load.more(300);
  }
  showLoad(report, 'scaling 2, 4, 1 under load', await load.stop());
  const last = pods.at(-1)?.name ?? '';
  const after = await stage.load(stage.web);
  await after.more(50);
  const { backends } = await after.stop();
  const names = Object.keys(backends);
  report.finding(
    'where connections go after that',
    `all to ${names.join(', ')}`,
    names.length === 1 && names[0] === last,
  );
  await stage.scale(stage.web, pods);
};

const killedAgent: Scene = async (stage, report) => {
  report.step('Kill the agent of node1 with SIGKILL, under load and during downloads; start it again');
  const { cluster, web, far, agents } = stage;
  const [agent] = agents;
  const load = await stage.load(web);
  const outside = await stage.workload(cluster.client);
  const downloads = await Promise.all(
    FAMILIES.map((family) =>
      outside.call('download.start', {
        host: pick(cluster.node1.address, family),
        port: far.nodePort,
        bytes: 6 * MEGABYTE,
        rate: 3 * MEGABYTE,
      }),
    ),
  );
  for (const { id } of downloads) {
    await waitFor('the download to run', async () => (await outside.call('download.progress', { id })).bytes > 0);
  }
  report.command(`kill -9 ${agent.pid}`);
  await agent.kill();
  await load.more(300);
  report.note('dead, and traffic goes on; now starting it again');
  await agent.start();
  await load.more(300);
  const results = await Promise.all(downloads.map(({ id }) => outside.call('download.finish', { id })));
  showLoad(report, 'agent killed and restarted under load', await load.stop());
  const whole = results.filter(({ failure, intact, bytes }) => failure === null && intact && bytes === 6 * MEGABYTE);
  const seen = `${whole.length} of ${results.length} downloads of 6 MB whole, over IPv4 and IPv6`;
  report.finding('downloads that span the kill and the restart', seen, whole.length === results.length);
};

const inspection: Scene = async (stage, report) => {
  report.step('Look at what is running on node1');
  const [agent] = stage.agents;
  for (const args of [['services'], ['maps', 'dump', 'frontends']]) {
    report.command(`bpfsvc ${args.join(' ')}`);
    const text = await agent.cli(...args);
    report.output(excerpt(text, 40));
    const known = text.includes(stage.web.clusterIp.v4) && text.includes(stage.web.clusterIp.v6);
    const seen = `${plural(text.trim().split('\n').length, 'line')}, both cluster IPs of web among them`;
    report.finding(`bpfsvc ${args.join(' ')}`, known ? seen : 'the cluster IPs of web are missing', known);
  }
};

export const SCENES: readonly Scene[] = [
  applyServices,
  clusterIp,
  nodePort,
  maglevShare,
  scaling,
  killedAgent,
  inspection,
];

// --- internal ---

async function showExchange(
  stage: Stage,
  report: Report,
  title: string,
  place: Place,
  host: string,
  port: number,
  seenFrom: string | undefined,
): Promise<void> {
  const workload = await stage.workload(place);
  const { failure, greeting, peer } = await workload.get(host, port);
  const way = `${place.name} -> ${bracket(host)}:${port}`;
  if (failure !== null || greeting === null) {
    report.finding(title, `${way}: ${failure ?? 'no answer'}`, false);
    return;
  }
  const ok = peer?.address === host && (seenFrom === undefined || greeting.client.address === seenFrom);
  report.finding(title, `${way} -> ${greeting.name}, which sees ${greeting.client.address}`, ok);
}

function showLoad(report: Report, title: string, result: LoadSums): void {
  const kinds = Object.entries(result.failures).map(([kind, count]) => `${count} ${kind}`);
  const details = kinds.length === 0 ? '' : ` (${kinds.join(', ')})`;
  const seen = `${plural(result.requests, 'connection')}, ${plural(result.failed, 'failure')}${details}`;
  report.finding(title, seen, result.requests > 0 && result.failed === 0);
}

function bar(percent: number): string {
  return '#'.repeat(Math.round(percent));
}

function excerpt(text: string, lines: number): string {
  const all = text.trimEnd().split('\n');
  return all.length <= lines ? text : [...all.slice(0, lines), `... ${all.length - lines} more lines`].join('\n');
}
