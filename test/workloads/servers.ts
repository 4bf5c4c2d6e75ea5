// SPDX-License-Identifier: Apache-2.0
// Servers: HTTP that greets, streams and counts uploads; UDP that greets. They go on until their process ends, as a
// terminating pod goes on until its connections have ended.

import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { matchesPattern, patternAt } from './pattern.ts';
import type { Endpoint, Handlers } from './protocol.ts';
import { greeting } from './sockets.ts';

export const serverOperations: Handlers<'http.listen' | 'udp.listen'> = {
  'http.listen': async ({ name, port, host = '::' }): Promise<Endpoint> => {
    const server = createServer((request, response) => {
      answer(name, request, response).catch(() => response.destroy());
    });
    server.keepAliveTimeout = 0;
    server.requestTimeout = 0;
    server.listen({ port, host, backlog: 4096 });
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error(`no port: ${String(address)}`);
    return { address: address.address, port: address.port };
  },

  'udp.listen': async ({ name, port, host }): Promise<Endpoint> => {
    const socket = createSocket(host?.includes(':') === false ? 'udp4' : 'udp6');
    socket.on('message', (message, from) => {
      const text = JSON.stringify(greeting(name, from.address, from.port));
      socket.send(text.padEnd(message.length), from.port, from.address);
    });
    socket.bind(port, host);
    await once(socket, 'listening');
    return socket.address();
  },
};

// --- internal ---

async function answer(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { remoteAddress, remotePort } = request.socket;
  const url = new URL(request.url ?? '/', 'http://server');
  response.setHeader('x-backend', name);
  if (url.pathname === '/stream') {
    await stream(response, Number(url.searchParams.get('bytes')), Number(url.searchParams.get('rate')));
  } else if (url.pathname === '/upload') {
    response.end(JSON.stringify(await receive(request)));
  } else {
    response.end(JSON.stringify(greeting(name, remoteAddress, remotePort)));
  }
}

/** Rate in bytes per second, 0: as fast as it goes. */
async function stream(response: ServerResponse, total: number, rate: number): Promise<void> {
  const piece = rate === 0 ? 64 * 1024 : Math.max(1, Math.ceil(rate / 50));
  response.setHeader('content-length', total);
  for (let sent = 0; sent < total;) {
    const chunk = patternAt(sent, Math.min(piece, total - sent));
    sent += chunk.length;
    if (!response.write(chunk)) await once(response, 'drain');
    if (rate !== 0) await delay((chunk.length * 1000) / rate);
  }
  response.end();
}

async function receive(request: IncomingMessage): Promise<{ bytes: number; intact: boolean }> {
  let bytes = 0;
  let intact = true;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    intact &&= matchesPattern(bytes, chunk);
    bytes += chunk.length;
  }
  return { bytes, intact };
}
