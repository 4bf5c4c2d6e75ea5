// SPDX-License-Identifier: Apache-2.0
// One question and its answer, as small as can be: who answers, and whom does it see. Servers greet whoever comes; a
// client asks until everybody it looks for has answered, or keeps one connection and asks again on it.

import { execFile } from 'node:child_process';
import type { Socket as Datagram } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket as Stream } from 'node:net';
import { connect, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Handlers, Probe, Seen, Tally } from './protocol.ts';
import { endpoint, failureKind, greeting, peerOf, Registry, timeoutError } from './sockets.ts';

export const probeOperations: Handlers<
  | 'greet.listen'
  | 'probe.ports'
  | 'probe'
  | 'probe.open'
  | 'probe.state'
  | 'probe.answer'
  | 'probe.again'
  | 'probe.close'
  | 'ping'
> = {
  'greet.listen': async ({ name, port, also = [] }) => {
    const server = createServer((socket) => {
      const text = JSON.stringify(greeting(name, socket.remoteAddress, socket.remotePort));
      // Whoever has what it wants resets the connection.
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(text));
    });
    server.listen({ port, backlog: 4096 });
    await once(server, 'listening');
    await Promise.all(['::', ...also].map((address) => greetDatagrams(name, port, address)));
    return null;
  },

  'probe.ports': ({ first, last }) => {
    ports = portsOf(first, last);
    return null;
  },

  probe: async ({ wanted, least, most, ...probe }) => {
    const tally = new Map<string, Tally>();
    const missing = new Set(wanted);
    for (let n = 0; n < most && (n < least || missing.size > 0); n++) {
      const asked = open(probe);
      const seen = await asked.answer(probe.timeoutMs);
      asked.close();
      const key = JSON.stringify([seen.failure, seen.name, seen.client?.address, seen.peer]);
      tally.set(key, { ...seen, times: (tally.get(key)?.times ?? 0) + 1 });
      // A failure does not become right by being repeated.
      if (seen.failure !== null || !wanted.includes(seen.name ?? '')) break;
      missing.delete(seen.name ?? '');
    }
    return [...tally.values()];
  },

  'probe.open': async (probe) => {
    const asked = open(probe);
    await asked.sent;
    return { id: questions.add(asked) };
  },
  'probe.state': ({ id }) => questions.get(id).state,
  'probe.answer': ({ id, timeoutMs }) => questions.get(id).answer(timeoutMs),
  'probe.again': async ({ id, timeoutMs }) => {
    const asked = questions.get(id);
    asked.ask();
    return asked.answer(timeoutMs);
  },
  ping: async ({ host, timeoutMs }) => {
    const seconds = String(Math.ceil(timeoutMs / 1000));
    const { stdout } = await promisify(execFile)('perl', [ECHO, host, seconds]);
    return stdout.trim() as 'echo' | 'unreachable' | 'nothing';
  },

  'probe.close': ({ id }) => {
    questions.take(id).close();
    return null;
  },
};

// --- internal ---

async function greetDatagrams(name: string, port: number, address: string): Promise<void> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
  socket.on('message', (_, from) => {
    socket.send(JSON.stringify(greeting(name, from.address, from.port)), from.port, from.address);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
}

/** A question that is under way, and may be put again on the same socket. */
interface Asked {
  /** The kernel has it. */
  readonly sent: Promise<unknown>;
  readonly state: Seen | null;
  ask(): void;
  answer(timeoutMs: number): Promise<Seen>;
  close(): void;
}

const ECHO = fileURLToPath(new URL('echo.pl', import.meta.url));

const questions = new Registry<Asked>();

type Target = Omit<Probe, 'timeoutMs'>;

let ports: Generator<number, never> | undefined;

function* portsOf(first: number, last: number): Generator<number, never> {
  for (let port = first; ; port = port === last ? first : port + 1) yield port;
}

/** 0: the kernel chooses. */
function sourcePort({ sourcePort }: Target): number {
  return sourcePort ?? ports?.next().value ?? 0;
}

function open(probe: Target): Asked {
  return probe.transport === 'TCP' ? new TcpProbe(probe) : new UdpProbe(probe);
}

abstract class Question implements Asked {
  abstract readonly sent: Promise<unknown>;
  #answer = Promise.withResolvers<Seen>();
  state: Seen | null = null;

  abstract ask(): void;
  abstract close(): void;

  async answer(timeoutMs: number): Promise<Seen> {
    const timer = setTimeout(() => {
      this.fail(timeoutError());
    }, timeoutMs);
    const seen = await this.#answer.promise;
    clearTimeout(timer);
    return seen;
  }

  protected fail(error: unknown): void {
    this.settle({ failure: failureKind(error), name: null, client: null, peer: null });
  }

  protected settle(seen: Seen): void {
    this.state ??= seen;
    this.#answer.resolve(seen);
  }

  protected again(): void {
    this.state = null;
    this.#answer = Promise.withResolvers();
  }
}

class TcpProbe extends Question {
  readonly #socket: Stream;
  readonly sent: Promise<unknown>;

  constructor(target: Target) {
    super();
    const { host, port } = target;
    this.#socket = connect({ host, port, localPort: sourcePort(target), autoSelectFamily: false });
    // connect() is called in the next tick.
    this.sent = turn();
    this.#socket.on('error', (error) => {
      this.fail(error);
    });
    this.#socket.on('close', () => {
      this.fail(Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' }));
    });
    this.#socket.on('data', (data) => {
      this.settle({ failure: null, ...read(data), peer: peerOf(this.#socket) });
    });
    this.#socket.write('?');
  }

  ask(): void {
    this.again();
    this.#socket.write('?');
  }

  /** By a reset: thousands of connections in TIME_WAIT would use up the ports. */
  close(): void {
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}

class UdpProbe extends Question {
  readonly #socket: Datagram;
  readonly #probe: Target;
  readonly sent: Promise<unknown>;

  constructor(probe: Target) {
    super();
    this.#probe = probe;
    this.#socket = createSocket(probe.host.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('error', (error) => {
      this.fail(error);
    });
    this.#socket.on('message', (data, from) => {
      this.settle({ failure: null, ...read(data), peer: endpoint(from.address, from.port) });
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.sent = promise;
    const send = (): void => {
      this.#send(resolve);
    };
    this.#socket.bind(sourcePort(probe), () => {
      if (probe.connected === true) this.#socket.connect(probe.port, probe.host, this.#connected(send, resolve));
      else send();
    });
  }

  ask(): void {
    this.again();
    this.#send(() => undefined);
  }

  close(): void {
    this.#socket.close();
  }

  #connected(send: () => void, done: (value: undefined) => void): (error?: Error) => void {
    return (error) => {
      if (error === undefined) {
        send();
        return;
      }
      this.fail(error);
      done(undefined);
    };
  }

  #send(done: (value: undefined) => void): void {
    const sent = (error: Error | null): void => {
      if (error !== null) this.fail(error);
      done(undefined);
    };
    if (this.#probe.connected === true) this.#socket.send('?', sent);
    else this.#socket.send('?', this.#probe.port, this.#probe.host, sent);
  }
}

function read(data: Buffer): Pick<Seen, 'name' | 'client'> {
  const { name, client } = JSON.parse(String(data)) as ReturnType<typeof greeting>;
  return { name, client };
}
