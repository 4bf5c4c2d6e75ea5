// SPDX-License-Identifier: Apache-2.0
// `nodePortAddresses: [primary]`: NodePorts answer on the address that the Node object names, wherever it moves, and
// over restarts at which the object cannot be read.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { both, nodeAddress, SHARED_SEGMENT } from '../support/address-plan.ts';
import type { DualStack } from '../support/address-plan.ts';
import { node } from '../support/objects.ts';
import type { ServiceHandle } from '../support/testbed.ts';
import { Testbed } from '../support/testbed.ts';
import { waitFor } from '../support/wait.ts';
import type { Workload } from '../support/workload.ts';

const CONFIGURATION = `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
nodePortAddresses: [primary]
`;

let bed: Testbed;
let service: ServiceHandle;
let clients: readonly Workload[];
const added = nodeAddress(SHARED_SEGMENT, 112);

beforeAll(async () => {
  bed = await Testbed.create({
    agentArguments: ({ directory }) => {
      const file = join(directory, 'configuration.yaml');
      writeFileSync(file, CONFIGURATION);
      return ['--config', file];
    },
  });
  const { node1, client } = bed.cluster;
  await node1.ip(`addr add ${added.v4}/24 dev eth0`, `addr add ${added.v6}/64 dev eth0 nodad preferred_lft 0`);
  service = await bed.expose(bed.cluster.pods);
  clients = await Promise.all([bed.at(client), bed.at(node1), bed.at(node1.pod(1))]);
  return () => bed[Symbol.asyncDispose]();
});

async function failures(on: DualStack): Promise<readonly (string | null)[]> {
  const asked = clients.flatMap((client) =>
    both(on).map(async (address) => (await client.get(address, service.nodePort, 2000)).failure),
  );
  return Promise.all(asked);
}

const ANSWERED = Array<null>(6).fill(null);
const REFUSED = Array<string>(6).fill('refused');

async function movesTo(here: DualStack, notThere: DualStack): Promise<void> {
  await waitFor('NodePorts to answer', async () => (await failures(here)).every((failure) => failure === null));
  expect(await failures(notThere)).toEqual(REFUSED);
}

function writeNode(address: DualStack): Promise<void> {
  return bed.manifests.write('nodes', node(bed.cluster.node1.name, both(address), []));
}

test('NodePorts answer on the first addresses of the Node object, and on no others', async () => {
  expect(await failures(bed.cluster.node1.address)).toEqual(ANSWERED);
  expect(await failures(added)).toEqual(REFUSED);
});

test('they move when the Node object names others', async () => {
  await writeNode(added);
  await movesTo(added, bed.cluster.node1.address);
  await writeNode(bed.cluster.node1.address);
  await movesTo(bed.cluster.node1.address, added);
});

test('they stay where they are when the Node object cannot be read after a restart', async () => {
  await writeNode(added);
  await movesTo(added, bed.cluster.node1.address);
  await bed.agent(1).kill();
  await bed.manifests.writeText('nodes.yaml', 'kind: [');
  await bed.agent(1).start();
  expect(await failures(added)).toEqual(ANSWERED);
  expect(await failures(bed.cluster.node1.address)).toEqual(REFUSED);
});

test('they answer on the address of the interface with the default route when there is no Node object', async () => {
  await bed.manifests.remove('nodes');
  await movesTo(bed.cluster.node1.address, added);
});
