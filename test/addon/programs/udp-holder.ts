// SPDX-License-Identifier: Apache-2.0
// Runs in a namespace for udp-sockets.test.ts: `open TYPE BIND ADDRESS PORT [COUNT]` (`-`: do not), `peer N`,
// `close N`; sockets are numbered from 0.

import type { Socket, SocketType } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const sockets: Socket[] = [];

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function open(type: string, bind: string, address: string, port: string, count = '1'): Promise<void> {
  const first = sockets.length;
  for (let n = 0; n < Number(count); n++) {
    const socket = createSocket(type as SocketType);
    socket.on('error', () => undefined);
    socket.bind(0, bind === '-' ? undefined : bind);
    await once(socket, 'listening');
    if (address !== '-') {
      socket.connect(Number(port), address);
      await once(socket, 'connect');
    }
    sockets.push(socket);
  }
  say({ opened: sockets.slice(first).map((socket) => socket.address().port) });
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, ...words] = line.split(' ') as [string, string, string, string, string];
    const socket = sockets[Number(words[0])];
    if (command === 'open') void open(...words);
    else if (command === 'peer') say({ peer: socket?.remoteAddress(), local: socket?.address() });
    else
      socket?.close(() => {
        say({ closed: true });
      });
  })
  .on('close', () => process.exit(0));
say({ ready: process.pid });
