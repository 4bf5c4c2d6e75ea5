// SPDX-License-Identifier: Apache-2.0
// SCTP is not balanced yet, and must not notice that TCP and UDP are: on addresses and ports of Services it reaches whom it
// would reach without bpfsvc.

import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Family } from '../support/address-plan.ts';
import { both, bracket, pick } from '../support/address-plan.ts';
import { present } from '../support/kernel-kinds.ts';
import type { Place } from '../support/place.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { BACKEND_PORT, SERVICE_PORT, Testbed } from '../support/testbed.ts';
import { within } from '../support/wait.ts';

/** Some hundred packets of numbers follow the server's greeting. */
const LINES = 20_000;

const kinds = await present({
  sctp: `ip link set lo up
    if socat /dev/null SCTP4-CONNECT:127.0.0.1:9 2>&1 | grep 'not supported' >&2; then exit 1; fi`,
});

/** A server of one address, because an SCTP socket otherwise tells the other end all that its host has. */
async function serve(place: Place, family: Family, address: string, port: number): Promise<AsyncDisposable> {
  const listen = `SCTP${family}-LISTEN:${port},bind=${bracket(address)},reuseaddr,fork`;
  const server = place.spawn('socat', ['-d', '-d', listen, `SYSTEM:echo $SOCAT_PEERADDR; seq ${LINES}`]);
  const said: string[] = [];
  const listening = Promise.withResolvers<undefined>();
  createInterface({ input: server.stderr }).on('line', (line) => {
    said.push(line);
    if (line.includes(' listening on ')) listening.resolve(undefined);
  });
  const ended = new Promise<void>((resolve) => {
    server.on('close', () => {
      listening.reject(new Error(`socat ended: ${said.join('\n')}`));
      resolve();
    });
  });
  await within(`an SCTP server in ${place.name}`, listening.promise);
  return {
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM');
      await ended;
    },
  };
}

/** Whom the server says that it sees, once everything that it sends has arrived. */
async function ask(place: Place, family: Family, address: string, port: number): Promise<string> {
  const said = await place.run('socat', ['-u', `SCTP${family}-CONNECT:${bracket(address)}:${port}`, 'STDOUT']);
  const [seen = '', ...numbers] = said.split('\n');
  expect({ lines: numbers.length, last: numbers.at(-1) }).toEqual({ lines: LINES, last: String(LINES) });
  return new URL(`http://${seen}`).hostname.replaceAll(/[[\]]/g, '');
}

describe.skipIf(!kinds.has('sctp'))('SCTP beside Services', () => {
  let bed: Testbed;
  let service: ServiceHandle;

  beforeAll(async () => {
    bed = await Testbed.create();
    service = await bed.expose(bed.cluster.pods);
    return () => bed[Symbol.asyncDispose]();
  });

  describe.each([4, 6] as const)('over IPv%i', (family) => {
    test("reaches the node's own server on the number of a NodePort", async () => {
      const { node1, node2, client } = bed.cluster;
      const host = pick(node1.address, family);
      await using servers = new AsyncDisposableStack();
      servers.use(await serve(node1, family, host, service.nodePort));
      for (const place of [client, node2.pod(1), node1.pod(1)]) {
        expect(await ask(place, family, host, service.nodePort)).toBe(pick(place.address, family));
      }
      const outside = await bed.at(client);
      expect((await outside.get(host, service.nodePort)).greeting?.name).toMatch(/^pod/);
    });

    test('goes where the cluster IP is routed, from pods and nodes', async () => {
      const { node1, fabric } = bed.cluster;
      const router = fabric.get('fabric');
      if (router === undefined) throw new Error('no router');
      const host = pick(service.clusterIp, family);
      await router.ip(`addr add ${host} dev br0${family === 6 ? ' nodad' : ''}`);
      await using servers = new AsyncDisposableStack();
      servers.use(await serve(router, family, host, SERVICE_PORT));
      for (const place of [node1, node1.pod(1)]) {
        expect(await ask(place, family, host, SERVICE_PORT)).toBe(pick(place.address, family));
        const workload = await bed.at(place);
        expect((await workload.get(host, SERVICE_PORT)).greeting?.name).toMatch(/^pod/);
      }
    });
  });

  test('as a port of a Service disturbs none of its other ports, and is refused by the node that does not serve it', async () => {
    const { node1, client, pods } = bed.cluster;
    const nodePort = 30_500;
    const port = { port: SERVICE_PORT, targetPort: BACKEND_PORT, nodePort };
    const mark = bed.agent(1).log.length;
    const mixed = await bed.expose(pods, {
      ports: [
        { name: 'signalling', protocol: 'SCTP', ...port },
        { name: 'http', protocol: 'TCP', ...port },
      ],
    });
    expect(
      bed
        .agent(1)
        .log.slice(mark)
        .filter(({ level }) => level >= 40),
    ).toEqual([]);
    const [pod, outside] = await Promise.all([bed.at(node1.pod(1)), bed.at(client)]);
    for (const address of both(mixed.clusterIp)) {
      expect((await pod.get(address, SERVICE_PORT)).greeting?.name).toMatch(/^pod/);
    }
    for (const address of both(node1.address)) {
      expect((await outside.get(address, nodePort)).greeting?.name).toMatch(/^pod/);
    }
    await expect(ask(client, 4, node1.address.v4, nodePort)).rejects.toThrow('Connection refused');
    await using servers = new AsyncDisposableStack();
    servers.use(await serve(node1, 6, node1.address.v6, nodePort));
    expect(await ask(client, 6, node1.address.v6, nodePort)).toBe(client.address.v6);
  });
});
