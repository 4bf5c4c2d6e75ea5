// SPDX-License-Identifier: Apache-2.0
// UDP clients, connected or not, of either socket family.

import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Datagram, Endpoint, FailureKind, Greeting, Handlers, StreamResult } from './protocol.ts';
import { DEFAULT_TIMEOUT_MS, failureKind, Registry, timeoutError } from './sockets.ts';

type UdpOperation =
  | 'udp.open'
  | 'udp.connect'
  | 'udp.exchange'
  | 'udp.stream'
  | 'udp.stream.stop'
  | 'udp.local'
  | 'udp.share'
  | 'udp.close';

export const udpClientOperations: Handlers<UdpOperation> = {
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
    forgetPeer(socket);
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

  'udp.stream': ({ id }) => {
    streams.set(id, new Stream(sockets.get(id)));
    return null;
  },

  'udp.stream.stop': ({ id }) => {
    const stream = streams.get(id);
    if (stream === undefined) throw new Error(`socket ${id} does not stream`);
    return stream.stop();
  },

  'udp.local': ({ id }) => endpointOf(sockets.get(id).address()),

  'udp.share': async ({ id }) => {
    const socket = sockets.get(id);
    const stdio = ['ignore', 'ignore', 'ignore', descriptorOf(socket.address().port)] as const;
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'sleep', 'infinity'], { stdio: [...stdio] });
    await once(holder, 'spawn');
    return null;
  },

  'udp.close': ({ id }) => {
    sockets.take(id).close();
    return null;
  },
};

// --- internal ---

const sockets = new Registry<Socket>();
const streams = new Map<number, Stream>();

class Stream {
  readonly #socket: Socket;
  readonly #failures: Record<string, number> = {};
  readonly #answers: Record<string, number> = {};
  #sent = 0;
  #stopped = false;
  readonly #done: Promise<void>;
  readonly #receive = (message: Buffer): void => {
    const { name } = JSON.parse(String(message)) as Greeting;
    this.#answers[name] = (this.#answers[name] ?? 0) + 1;
  };
  readonly #fail = (error: unknown): void => {
    const kind = failureKind(error);
    this.#failures[kind] = (this.#failures[kind] ?? 0) + 1;
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', this.#receive).on('error', this.#fail);
    this.#done = this.#send();
  }

  async stop(): Promise<StreamResult> {
    this.#stopped = true;
    await this.#done;
    this.#socket.off('message', this.#receive).off('error', this.#fail);
    return { sent: this.#sent, failures: this.#failures, answers: this.#answers };
  }

  async #send(): Promise<void> {
    while (!this.#stopped) {
      const error = await new Promise<Error | null>((resolve) => {
        this.#socket.send(' ', resolve);
      });
      this.#sent++;
      if (error !== null) this.#fail(error);
      await nextTurn();
    }
  }
}

/** Node does not tell; the kernel knows the socket by its port, and the descriptor by the socket. */
function descriptorOf(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = ['udp', 'udp6'].flatMap((table) => readFileSync(`/proc/self/net/${table}`, 'utf8').split('\n'));
  const row = rows.map((line) => line.trim().split(/ +/)).find((cells) => cells[1]?.endsWith(suffix));
  const fd = readdirSync('/proc/self/fd').find((name) => linkOf(name) === `socket:[${row?.[9] ?? ''}]`);
  if (fd === undefined) throw new Error(`no socket has port ${port}`);
  return Number(fd);
}

/** The directory that is being listed has one, too, and is closed by then. */
function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** Node wants that before it connects once more; whether there is a peer, it alone knows. */
function forgetPeer(socket: Socket): void {
  try {
    socket.disconnect();
  } catch (error) {
    if (failureKind(error) !== 'ERR_SOCKET_DGRAM_NOT_CONNECTED') throw error;
  }
}

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
