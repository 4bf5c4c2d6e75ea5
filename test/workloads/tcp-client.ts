// SPDX-License-Identifier: Apache-2.0
// TCP and HTTP clients that report what a program would see: peer and local address, the greeting, the kind of failure.

import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Destination, Exchange, FailureKind, Greeting, Handlers } from './protocol.ts';
import { DEFAULT_TIMEOUT_MS, failureKind, localOf, peerOf, Registry, timeoutError } from './sockets.ts';

export const tcpClientOperations: Handlers<
  'http.get' | 'connection.open' | 'connection.exchange' | 'connection.close'
> = {
  'http.get': (destination) => get(destination, undefined),

  'connection.open': async (destination) => {
    const connection: Connection = {
      agent: new Agent({ keepAlive: true, maxSockets: 1 }),
      destination,
      socket: undefined,
    };
    return { ...(await get(destination, connection)), id: connections.add(connection) };
  },

  'connection.exchange': ({ id, timeoutMs }) => {
    const connection = connections.get(id);
    return get({ ...connection.destination, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, connection);
  },

  'connection.close': ({ id }) => {
    connections.take(id).agent.destroy();
    return null;
  },
};

/** Resolves with the answer's head; rejects when it does not come in time. */
export async function send(
  destination: Destination,
  options: { agent: Agent | false; path: string; method?: string },
  body?: (request: ClientRequest) => void,
): Promise<IncomingMessage> {
  const { host, port, localAddress, timeoutMs = DEFAULT_TIMEOUT_MS } = destination;
  const request = httpRequest({ host, port, ...options, ...(localAddress === undefined ? {} : { localAddress }) });
  // request.setTimeout begins when the connection stands, and a SYN may find nobody.
  const timer = setTimeout(() => request.destroy(timeoutError()), timeoutMs);
  request.setTimeout(timeoutMs, () => request.destroy(timeoutError()));
  request.once('socket', (socket) =>
    socket.once('connect', () => {
      clearTimeout(timer);
    }),
  );
  if (body === undefined) request.end();
  else body(request);
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  } finally {
    clearTimeout(timer);
  }
}

export async function text(response: IncomingMessage): Promise<string> {
  return (await response.setEncoding('utf8').toArray()).join('');
}

// --- internal ---

interface Connection {
  readonly agent: Agent;
  readonly destination: Destination;
  /** Set by the first answer. The agent would replace a dead one quietly, which is a failure here. */
  socket: Socket | undefined;
}

const connections = new Registry<Connection>();

async function get(destination: Destination, connection: Connection | undefined): Promise<Exchange> {
  try {
    const response = await send(destination, { agent: connection?.agent ?? false, path: '/' });
    const { socket } = response;
    const [peer, local] = [peerOf(socket), localOf(socket)];
    if (connection !== undefined && socket !== (connection.socket ??= socket)) return failed('reconnected');
    return { failure: null, peer, local, greeting: JSON.parse(await text(response)) as Greeting };
  } catch (error) {
    return failed(failureKind(error));
  }
}

function failed(failure: FailureKind): Exchange {
  return { failure, peer: null, local: null, greeting: null };
}
