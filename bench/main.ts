// SPDX-License-Identifier: Apache-2.0
// `make bench`: figures as a table, and as JSON in the file that OUT names. Ratios are of pairs measured in turns within
// this run; absolute numbers depend on the machine.

import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../test/support/command.ts';
import type { EndpointSpec, ServiceSpec } from '../test/support/objects.ts';
import { endpointSlice, service } from '../test/support/objects.ts';
import { BACKEND_PORT, Testbed } from '../test/support/testbed.ts';
import { BACKENDS, benchProgramming, SERVICES, serviceOf, sliceOf } from './programming.ts';
import type { Figure } from './result.ts';
import { table } from './result.ts';
import type { Comparison, Effort } from './traffic.ts';
import { compare, serve } from './traffic.ts';

const NETBENCH_PORT = 9000;
const QUICK = process.env['QUICK'] === '1';
const EFFORT: Effort = QUICK
  ? { rounds: 5, connections: 1_000, pings: 2_000, bytes: 100_000_000 }
  : { rounds: 9, connections: 8_000, pings: 20_000, bytes: 2_000_000_000 };

const figures: Figure[] = [];
const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-bench-'));
try {
  const netbench = path.join(directory, 'netbench');
  await run('cc', ['-O2', '-o', netbench, path.join(import.meta.dirname, 'netbench.c')]);
  say('programming 10,000 services x 10 backends');
  figures.push(...(await benchProgramming(QUICK ? 2 : 5, QUICK ? 200 : 2_000)));
  figures.push(...(await benchTraffic(netbench)));
} finally {
  await rm(directory, { recursive: true, force: true });
}
console.log(table(figures));
const out = process.env['OUT'];
if (out !== undefined && out !== '') await writeFile(out, `${JSON.stringify(figures, undefined, 1)}\n`);

async function benchTraffic(netbench: string): Promise<Figure[]> {
  const results: Figure[] = [];
  await using bed = await Testbed.create({ program: 'product' });
  const { node1, node2, client } = bed.cluster;
  const servers = await Promise.all([...node1.pods, ...node2.pods].map((pod) => serve(netbench, pod, NETBENCH_PORT)));
  try {
    const backendOf = (place: (typeof node1.pods)[number]): EndpointSpec[] => bed.endpoints([place]);
    await addService(bed, 'near', 1, backendOf(node1.pod(2)));
    await addService(bed, 'far', 2, backendOf(node2.pod(1)));
    await straightThroughNode1(bed);
    const near = node1.pod(2).address.v4;
    const direct = { name: 'direct, pod to pod', from: node1.pod(1), address: near, port: NETBENCH_PORT };
    const clusterIp = (name: string): Comparison => ({
      base: direct,
      route: { name, from: node1.pod(1), address: clusterIpOf(1), port: NETBENCH_PORT },
    });
    const measure = async (comparison: Comparison): Promise<void> => {
      say(comparison.route.name);
      results.push(...(await compare(netbench, comparison, EFFORT)));
    };
    await measure(clusterIp('ClusterIP, 1 service'));
    const nodePort = { from: client, address: node1.address.v4 };
    await measure({
      base: { name: 'routed to the same pod', from: client, address: near, port: NETBENCH_PORT },
      route: { name: 'NodePort, backend here', ...nodePort, port: 30001 },
    });
    await measure({
      base: { name: 'routed by the same node', from: client, address: node2.pod(2).address.v4, port: NETBENCH_PORT },
      route: { name: 'NodePort, backend elsewhere', ...nodePort, port: 30002 },
    });
    results.push(...(await addMany(bed)));
    await measure(clusterIp('ClusterIP, 10,000 services'));
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
  return results;
}

function clusterIpOf(n: number): string {
  return `198.19.0.${n}`;
}

async function addService(bed: Testbed, name: string, n: number, endpoints: readonly EndpointSpec[]): Promise<void> {
  const spec: ServiceSpec = {
    type: 'NodePort',
    clusterIPs: [clusterIpOf(n)],
    ports: [{ name: 'bench', protocol: 'TCP', port: NETBENCH_PORT, targetPort: NETBENCH_PORT, nodePort: 30000 + n }],
  };
  await bed.applied(() =>
    bed.manifests.writeService(
      name,
      spec,
      endpoints.filter(({ address }) => !address.includes(':')),
    ),
  );
}

/** The plain route that a NodePort on node 1 is compared with: to node 2's second pod and back by node 1. */
async function straightThroughNode1(bed: Testbed): Promise<void> {
  const { node1, node2, client, fabric } = bed.cluster;
  const pod = node2.pod(2).address.v4;
  const quiet = { 'net.ipv4.conf.all.send_redirects': '0', 'net.ipv4.conf.eth0.send_redirects': '0' };
  for (const router of fabric.values()) await router.ip(`route replace ${pod}/32 via ${node1.address.v4}`);
  await node1.sysctl(quiet);
  for (const { v4 } of client.addresses) await node2.ip(`route replace ${v4}/32 via ${node1.address.v4}`);
}

/** 10,000 services beside the two, by manifests, into the running agents; and what that costs the agent. */
async function addMany(bed: Testbed): Promise<Figure[]> {
  say(`${SERVICES} services by manifests`);
  const objects = [];
  for (let i = 0; i < SERVICES; i++) {
    const { name, clusterIPs } = serviceOf(i);
    const ports = [{ name: 'http', protocol: 'TCP', port: 80, targetPort: BACKEND_PORT } as const];
    const endpoints = sliceOf(i, 0).endpoints.map(({ address, state: { nodeName } }) => ({ address, nodeName }));
    objects.push(service(name, { type: 'ClusterIP', clusterIPs: [...clusterIPs], ports }));
    objects.push(endpointSlice(name, 4, ports, endpoints));
  }
  await bed.manifests.write('many', ...objects);
  const [agent] = bed.agents;
  if (agent === undefined) throw new Error('the testbed has no agent');
  for (let total = 0, from = 0; total < SERVICES; from++) {
    const event = await agent.event('applied', from);
    from = agent.log.indexOf(event, from);
    total += Number(event['services'] ?? 0);
  }
  const status = await readFile(`/proc/${agent.pid}/status`, 'utf8');
  const figure = (metric: string, field: string): Figure => {
    const kilobytes = Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);
    return {
      case: `${SERVICES} services x ${BACKENDS}`,
      metric,
      value: kilobytes / 1024,
      unit: 'MiB',
      ratio: null,
      of: null,
    };
  };
  return [figure('agent RSS', 'VmRSS'), figure('agent RSS, at most', 'VmHWM')];
}

function say(text: string): void {
  console.error(`bench: ${text}`);
}
