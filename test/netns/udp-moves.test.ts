// SPDX-License-Identifier: Apache-2.0
// UDP clients whose backend ceases to serve: they go on with another one, on the same descriptor, without a failure.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Family } from '../support/address-plan.ts';
import { pick } from '../support/address-plan.ts';
import type { LogEvent } from '../support/agent.ts';
import type { Pod } from '../support/cluster.ts';
import type { EndpointSpec } from '../support/objects.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import { waitFor } from '../support/wait.ts';
import type { Workload } from '../support/workload.ts';

let bed: Testbed;
beforeAll(async () => {
  bed = await Testbed.create();
  return () => bed[Symbol.asyncDispose]();
});

/** Makes a change after which node 1 has something to move, and resolves with what it says of that. */
async function checked(change: () => Promise<void>): Promise<LogEvent> {
  const agent = bed.agent(1);
  const from = agent.log.length;
  await change();
  return agent.event('checked UDP', from);
}

/** Another Service's backend ceases: what has happened to the others' clients has happened by then. */
async function passed(): Promise<void> {
  const other = await bed.expose([bed.cluster.node1.pod(2)]);
  await checked(() => bed.scale(other, []));
}

class Client {
  readonly #workload: Workload;
  readonly #id: number;

  private constructor(workload: Workload, id: number) {
    this.#workload = workload;
    this.#id = id;
  }

  static async connect(workload: Workload, type: 'udp4' | 'udp6', host: string, bind?: string): Promise<Client> {
    const { id } = await workload.call('udp.open', { type, ...(bind === undefined ? {} : { bind }) });
    await workload.call('udp.connect', { id, host, port: SERVICE_PORT });
    return new Client(workload, id);
  }

  /** The backend that answers, or the failure. */
  async backend(): Promise<string> {
    const { greeting, failure } = await this.exchange();
    return greeting?.name ?? failure ?? '';
  }

  exchange() {
    return this.#workload.call('udp.exchange', { id: this.#id });
  }

  local() {
    return this.#workload.call('udp.local', { id: this.#id });
  }

  async share(): Promise<void> {
    await this.#workload.call('udp.share', { id: this.#id });
  }

  async stream(): Promise<void> {
    await this.#workload.call('udp.stream', { id: this.#id });
  }

  stopStream() {
    return this.#workload.call('udp.stream.stop', { id: this.#id });
  }

  async close(): Promise<void> {
    await this.#workload.call('udp.close', { id: this.#id });
  }
}

async function connectMany(workload: Workload, type: 'udp4' | 'udp6', host: string, count = 40): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => Client.connect(workload, type, host)));
}

function backends(clients: readonly Client[]): Promise<string[]> {
  return Promise.all(clients.map((client) => client.backend()));
}

async function closeAll(clients: readonly Client[]): Promise<void> {
  for (const client of clients) await client.close();
}

function conditions(of: readonly Pod[], state: Partial<EndpointSpec>): EndpointSpec[] {
  return bed.endpoints(of).map((endpoint) => ({ ...endpoint, ...state }));
}

const SOCKETS = {
  'an IPv4 socket': ['udp4', (service: ServiceHandle) => service.clusterIp.v4],
  'an IPv6 socket': ['udp6', (service: ServiceHandle) => service.clusterIp.v6],
  'an IPv6 socket that speaks IPv4': ['udp6', (service: ServiceHandle) => `::ffff:${service.clusterIp.v4}`],
} as const;

describe.each(Object.keys(SOCKETS) as (keyof typeof SOCKETS)[])('%s of a pod', (kind) => {
  const [type, hostOf] = SOCKETS[kind];

  test('goes on with another backend when its own ceases to serve, and is left alone when another does', async () => {
    const { node1, node2 } = bed.cluster;
    const [a, b, c] = [node1.pod(2), node2.pod(1), node2.pod(2)];
    const service = await bed.expose([a, b, c]);
    const clients = await connectMany(await bed.at(node1.pod(1)), type, hostOf(service));
    const before = await backends(clients);
    const ports = await Promise.all(clients.map((client) => client.local()));
    expect(new Set(before)).toEqual(new Set([a.name, b.name, c.name]));

    const leaving = before.filter((name) => name === b.name).length;
    expect(await checked(() => bed.scale(service, [a, c]))).toMatchObject({ sockets: leaving, survivors: 0, ended: 0 });
    const after = await backends(clients);
    for (const [i, name] of after.entries()) {
      if (before[i] === b.name) expect([a.name, c.name]).toContain(name);
      else expect(name).toBe(before[i]);
    }
    expect(await Promise.all(clients.map((client) => client.local()))).toEqual(ports);
    expect(await clients[0]?.exchange()).toMatchObject({ from: { address: hostOf(service), port: SERVICE_PORT } });
    await closeAll(clients);
  });
});

test('a client that sends all the time does not see one failure', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const client = await Client.connect(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4);
  await client.stream();
  for (const pod of [node2.pod(2), node1.pod(2), node2.pod(1), node2.pod(2)]) {
    await checked(() => bed.scale(service, [pod]));
  }
  const { failures, answers, sent } = await client.stopStream();
  expect(failures).toEqual({});
  expect(Object.keys(answers).sort()).toEqual([node1.pod(2).name, node2.pod(1).name, node2.pod(2).name]);
  expect(sent).toBeGreaterThan(100);
  // Answers to what it sent last may still be on their way.
  await waitFor('the last backend', async () => (await client.backend()) === node2.pod(2).name);
  await client.close();
});

test('a client stays with a backend that terminates, until that no longer serves', async () => {
  const { node1, node2 } = bed.cluster;
  const [a, b] = [node2.pod(1), node2.pod(2)];
  const service = await bed.expose([a]);
  const client = await Client.connect(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4);
  const terminating = conditions([a], { ready: false, serving: true, terminating: true });
  await bed.setEndpoints(service, [...terminating, ...bed.endpoints([b])]);
  await passed();
  expect(await client.backend()).toBe(a.name);
  const done = conditions([a], { ready: false, serving: false, terminating: true });
  expect(await checked(() => bed.setEndpoints(service, [...done, ...bed.endpoints([b])]))).toMatchObject({
    sockets: 1,
  });
  expect(await client.backend()).toBe(b.name);
  await client.close();
});

test('a client that has connected elsewhere since is left there', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const workload = await bed.at(node1.pod(1));
  const { id } = await workload.call('udp.open', { type: 'udp4' });
  await workload.call('udp.connect', { id, host: service.clusterIp.v4, port: SERVICE_PORT });
  await workload.call('udp.connect', { id, host: node2.pod(2).address.v4, port: 8080 });
  expect(await checked(() => bed.scale(service, [node1.pod(2)]))).toMatchObject({ sockets: 0, survivors: 0 });
  expect(await workload.call('udp.exchange', { id })).toMatchObject({ greeting: { name: node2.pod(2).name } });
  await workload.call('udp.close', { id });
});

test('a Service that has lost all its backends takes its clients along when one returns', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const clients = await connectMany(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4, 3);
  expect(await checked(() => bed.scale(service, []))).toMatchObject({ sockets: 0, waiting: 3, survivors: 0 });
  expect(await bed.agent(1).cli('status')).toMatch(/3 sockets wait for a backend, 0 could not be moved/);
  expect(await checked(() => bed.scale(service, [node2.pod(2)]))).toMatchObject({ sockets: 3, waiting: 0 });
  expect(await backends(clients)).toEqual([node2.pod(2).name, node2.pod(2).name, node2.pod(2).name]);
  await closeAll(clients);
});

test('a Service that was deleted leaves its clients without a backend, and has them back when it returns', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const client = await Client.connect(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4);
  expect(await checked(() => bed.withdraw(service))).toMatchObject({ waiting: 1, survivors: 0 });
  expect(await checked(() => bed.scale(service, [node2.pod(2)]))).toMatchObject({ sockets: 1, waiting: 0 });
  expect(await client.backend()).toBe(node2.pod(2).name);
  await client.close();
});

test('another Service that takes over the address of a deleted one takes its clients over', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const client = await Client.connect(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4);
  await checked(() => bed.withdraw(service));
  expect(
    await checked(() => bed.setEndpoints({ ...service, name: 'heir' }, bed.endpoints([node1.pod(2)]))),
  ).toMatchObject({ sockets: 1, waiting: 0 });
  expect(await client.backend()).toBe(node1.pod(2).name);
  await client.close();
});

test('a socket that two processes have open is moved once', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const client = await Client.connect(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4);
  await client.share();
  expect(await checked(() => bed.scale(service, [node2.pod(2)]))).toMatchObject({ sockets: 1, survivors: 0 });
  expect(await client.backend()).toBe(node2.pod(2).name);
  await client.close();
});

describe('the source address of a socket of the node', () => {
  const SECOND = '198.18.10.111';
  const routed = async (): Promise<ServiceHandle> => {
    const { node1, node2 } = bed.cluster;
    const route = `${node2.pod(2).address.v4}/32 via ${node2.address.v4} src ${SECOND}`;
    await node1.ip(`addr replace ${SECOND}/32 dev lo`, `route replace ${route}`);
    return bed.expose([node2.pod(1)]);
  };

  test('is chosen anew with the route to the new backend, and the port stays', async () => {
    const { node1, node2 } = bed.cluster;
    const service = await routed();
    const client = await Client.connect(await bed.at(node1), 'udp4', service.clusterIp.v4);
    const { address, port } = await client.local();
    expect(address).toBe(node1.address.v4);
    await checked(() => bed.scale(service, [node2.pod(2)]));
    expect(await client.exchange()).toMatchObject({
      greeting: { name: node2.pod(2).name, client: { address: SECOND, port } },
    });
    await client.close();
  });

  test('stays when its owner has bound it', async () => {
    const { node1, node2 } = bed.cluster;
    const service = await routed();
    const client = await Client.connect(await bed.at(node1), 'udp4', service.clusterIp.v4, node1.address.v4);
    const local = await client.local();
    await checked(() => bed.scale(service, [node2.pod(2)]));
    expect(await client.exchange()).toMatchObject({ greeting: { name: node2.pod(2).name, client: local } });
    await client.close();
  });
});

test('what ceased while no agent ran is made good when one starts', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const client = await Client.connect(await bed.at(node1.pod(1)), 'udp4', service.clusterIp.v4);
  const agent = bed.agent(1);
  await agent.kill();
  await bed.scale(service, [node2.pod(2)]);
  await agent.start();
  expect(await agent.event('checked UDP')).toMatchObject({ sockets: 1, survivors: 0 });
  expect(await client.backend()).toBe(node2.pod(2).name);
  await client.close();
});

describe.each([4, 6] as const)('a client outside the cluster, over IPv%i,', (family: Family) => {
  test('goes on with another backend when its own ceases to serve, and stays with one that terminates', async () => {
    const { node1, node2, client: outside } = bed.cluster;
    const [a, b] = [node1.pod(1), node2.pod(2)];
    const service = await bed.expose([a]);
    const workload = await bed.at(outside);
    const { id } = await workload.call('udp.open', { type: `udp${family}` });
    const exchange = () =>
      workload.call('udp.exchange', { id, host: pick(node1.address, family), port: service.nodePort });
    expect(await exchange()).toMatchObject({ greeting: { name: a.name } });

    const terminating = conditions([a], { ready: false, serving: true, terminating: true });
    await bed.setEndpoints(service, [...terminating, ...bed.endpoints([b])]);
    await passed();
    expect(await exchange()).toMatchObject({ greeting: { name: a.name } });

    expect(await checked(() => bed.scale(service, [b]))).toMatchObject({ flows: 1 });
    expect(await exchange()).toMatchObject({ greeting: { name: b.name } });
    expect(await checked(() => bed.scale(service, [a]))).toMatchObject({ flows: 1 });
    expect(await exchange()).toMatchObject({ greeting: { name: a.name } });
    await workload.call('udp.close', { id });
  });
});

test('status counts what was moved, also before the agent restarted', async () => {
  const status = await waitFor('status', () => bed.agent(1).cli('status'));
  const [, flows, sockets] = /off backends that ceased to serve: (\d+) flows, (\d+) sockets/.exec(status) ?? [];
  expect(Number(flows)).toBeGreaterThanOrEqual(4);
  expect(Number(sockets)).toBeGreaterThan(10);
});
