// SPDX-License-Identifier: Apache-2.0
// An agent that may not look into other processes: UDP sockets whose backend ceases to serve are ended, so that their
// owners notice at once and not by silence.

import { beforeAll, expect, test } from 'vitest';
import type { LogEvent } from '../support/agent.ts';
import { SERVICE_PORT, Testbed } from '../support/testbed.ts';
import type { Workload } from '../support/workload.ts';

/** The first is told once, and Node tells it when it comes. */
const ENDED = { failure: expect.stringMatching(/^(ECONNABORTED|EDESTADDRREQ)$/) as string };

let bed: Testbed;
beforeAll(async () => {
  bed = await Testbed.create({ agentWrapper: ['setpriv', '--bounding-set', '-sys_ptrace'] });
  return () => bed[Symbol.asyncDispose]();
});

async function checked(change: () => Promise<void>): Promise<LogEvent> {
  const agent = bed.agent(1);
  const from = agent.log.length;
  await change();
  return agent.event('checked UDP', from);
}

async function connect(workload: Workload, type: 'udp4' | 'udp6', host: string): Promise<number> {
  const { id } = await workload.call('udp.open', { type });
  expect(await workload.call('udp.connect', { id, host, port: SERVICE_PORT })).toMatchObject({ failure: null });
  return id;
}

test.each(['udp4', 'udp6'] as const)(
  'a %s socket is ended; connected again, it reaches another backend',
  async (type) => {
    const { node1, node2 } = bed.cluster;
    const service = await bed.expose([node2.pod(1)]);
    const workload = await bed.at(node1.pod(1));
    const host = type === 'udp4' ? service.clusterIp.v4 : service.clusterIp.v6;
    const id = await connect(workload, type, host);
    expect(await workload.call('udp.exchange', { id })).toMatchObject({ greeting: { name: node2.pod(1).name } });

    const ended = { sockets: 0, ended: 1, waiting: 0, survivors: 0 };
    expect(await checked(() => bed.scale(service, [node2.pod(2)]))).toMatchObject(ended);
    expect(await workload.call('udp.exchange', { id })).toMatchObject(ENDED);
    await workload.call('udp.connect', { id, host, port: SERVICE_PORT });
    expect(await workload.call('udp.exchange', { id })).toMatchObject({ greeting: { name: node2.pod(2).name } });
    await workload.call('udp.close', { id });
  },
);

test('a socket is not ended while there is no other backend for it', async () => {
  const { node1, node2 } = bed.cluster;
  const service = await bed.expose([node2.pod(1)]);
  const workload = await bed.at(node1.pod(1));
  const id = await connect(workload, 'udp4', service.clusterIp.v4);
  expect(await checked(() => bed.scale(service, []))).toMatchObject({ ended: 0, waiting: 1, survivors: 0 });
  expect(await workload.call('udp.exchange', { id })).toMatchObject({ greeting: { name: node2.pod(1).name } });
  expect(await checked(() => bed.scale(service, [node2.pod(2)]))).toMatchObject({ ended: 1, waiting: 0 });
  expect(await workload.call('udp.exchange', { id })).toMatchObject(ENDED);
  await workload.call('udp.close', { id });
});

test('the agent says why, and status how often', async () => {
  const warning = 'ended UDP sockets that could not be taken; give the agent CAP_SYS_PTRACE and the host PID namespace';
  expect(await bed.agent(1).event(warning)).toMatchObject({ level: 40, reasons: ['no owner found'] });
  expect(await bed.agent(1).cli('status')).toMatch(/0 sockets; 3 sockets could only be ended/);
});
