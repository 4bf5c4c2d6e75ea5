// SPDX-License-Identifier: Apache-2.0
// The program that runs in a pod, on a node or at the client: it does what its standard input asks for, line by line, and
// ends with it, so that nothing outlives the test.

import { createInterface } from 'node:readline';
import { loadOperations } from './load.ts';
import { probeOperations } from './probe.ts';
import type { Handlers, Operation, Operations, Reply } from './protocol.ts';
import { serverOperations } from './servers.ts';
import { tcpClientOperations } from './tcp-client.ts';
import { transferOperations } from './transfer.ts';
import { udpClientOperations } from './udp-client.ts';

const handlers: Handlers<Operation> = {
  ...serverOperations,
  ...tcpClientOperations,
  ...udpClientOperations,
  ...loadOperations,
  ...transferOperations,
  ...probeOperations,
};

async function reply<K extends Operation>(id: number, operation: K, request: Operations[K]['request']): Promise<Reply> {
  try {
    return { id, answer: await handlers[operation](request) };
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

function write(message: Reply | 'ready'): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const requests = createInterface({ input: process.stdin });
requests.on('line', (line) => {
  const { id, operation, request } = JSON.parse(line) as { id: number; operation: Operation; request: never };
  void reply(id, operation, request).then(write);
});
requests.once('close', () => process.exit(0));
write('ready');
