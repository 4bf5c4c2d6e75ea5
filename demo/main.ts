// SPDX-License-Identifier: Apache-2.0
// `make demo`: a two-node cluster in network namespaces, and bpfsvc carrying real HTTP through it. Needs root and a build.
// The exit status is 0 only when everything was seen to work and nothing was left behind.

import { createCluster } from '../test/support/cluster.ts';
import { findLeftovers } from '../test/support/leftovers.ts';
import { Report } from './report.ts';
import { SCENES } from './scenes.ts';
import { Stage } from './stage.ts';

async function play(report: Report): Promise<string> {
  report.step('Build a cluster: 2 nodes with 2 pods each, 1 client outside, each in its network namespace');
  await using cluster = await createCluster();
  const places = [...cluster.nodes, ...cluster.pods, cluster.client];
  report.table(places.map(({ name, address }) => [name, address.v4, address.v6]));

  report.step('Start an agent on each node, and an HTTP server in each pod');
  report.command('bpfsvc run --node-name node1 --manifests DIR --bpffs DIR --cgroup DIR --devices eth0');
  const started = performance.now();
  const stage = await Stage.create(cluster);
  report.note(`ready after ${Math.round(performance.now() - started)} ms`);

  for (const scene of SCENES) await scene(stage, report);
  return cluster.prefix;
}

const started = performance.now();
const report = new Report();
try {
  const prefix = await play(report);
  report.step('Remove everything');
  const left = findLeftovers(prefix);
  const seen = left.length === 0 ? 'no namespace, cgroup, mount, file or process' : left.join(', ');
  report.finding('left behind', seen, left.length === 0);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  report.output(message);
  report.finding('the demo itself', message.split('\n')[0] ?? '', false);
}
report.summary(performance.now() - started);
process.exitCode = report.ok ? 0 : 1;
