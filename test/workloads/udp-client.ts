// SPDX-License-Identifier: Apache-2.0
// UDP clients, connected or not, of either socket family.

import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Datagram, Endpoint, FailureKind, Greeting, Handlers } from './protocol.ts';
import { DEFAULT_TIMEOUT_MS, failureKind, Registry, timeoutError } from './sockets.ts';

export const udpClientOperations: Handlers<'udp.open' | 'udp.connect' | 'udp.exchange' | 'udp.close'> = {
  'udp.open': async ({ type, bind, port = 0 }) => {
    const socket = createSocket(type);
    socket.bind(port, bind);
    await once(socket, 'listening');
    // An ICMP error may arrive between two requests; the next send reports it.
    socket.on('error', () => undefined);
    return { id: sockets.add(socket), local: endpointOf(socket.address()) };
  },

  'udp.connect': async ({ id, host, port }) => {
    const socket = sockets.get(id);
    const failure = await new Promise<FailureKind | null>((resolve) => {
      socket.connect(port, host, (error?: Error) => {
        resolve(error === undefined ? null : failureKind(error));
      });
    });
    return { failure, peer: failure === null ? endpointOf(socket.remoteAddress()) : null };
  },

  'udp.exchange': async ({ id, host, port, bytes = 1, timeoutMs = DEFAULT_TIMEOUT_MS }) => {
    const socket = sockets.get(id);
    const cancel = new AbortController();
    const timer = setTimeout(() => {
      cancel.abort(timeoutError());
    }, timeoutMs);
    const reply = once(socket, 'message', { signal: cancel.signal });
    const sent = (error: Error | null): void => {
      if (error !== null) cancel.abort(error);
    };
    if (host === undefined) socket.send(Buffer.alloc(bytes, 0x20), sent);
    else socket.send(Buffer.alloc(bytes, 0x20), port, host, sent);
    return reply
      .then(received, (error: unknown) => notReceived(cancel.signal.aborted ? cancel.signal.reason : error))
      .finally(() => {
        clearTimeout(timer);
      });
  },

  'udp.close': ({ id }) => {
    sockets.take(id).close();
    return null;
  },
};

// --- internal ---

const sockets = new Registry<Socket>();

function endpointOf({ address, port }: { address: string; port: number }): Endpoint {
  return { address, port };
}

function received([message, from]: unknown[]): Datagram {
  const greeting = JSON.parse(String(message)) as Greeting;
  return { failure: null, from: endpointOf(from as { address: string; port: number }), greeting };
}

function notReceived(error: unknown): Datagram {
  return { failure: failureKind(error), from: null, greeting: null };
}
