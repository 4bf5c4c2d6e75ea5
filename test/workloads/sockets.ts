// SPDX-License-Identifier: Apache-2.0
// What the operations share: addresses as tests compare them, and failures by kind.

import type { Socket } from 'node:net';
import { PATIENCE } from '../support/wait.ts';
import type { Endpoint, FailureKind, Greeting } from './protocol.ts';

export const DEFAULT_TIMEOUT_MS = 15_000 * PATIENCE;

/** A v4-mapped address names an IPv4 client. */
export function unmapped(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}

export function endpoint(address: string | undefined, port: number | undefined): Endpoint | null {
  return address === undefined || port === undefined ? null : { address, port };
}

export function peerOf(socket: Socket): Endpoint | null {
  return endpoint(socket.remoteAddress, socket.remotePort);
}

export function localOf(socket: Socket): Endpoint | null {
  return endpoint(socket.localAddress, socket.localPort);
}

export function greeting(name: string, address: string | undefined, port: number | undefined): Greeting {
  const client = unmapped(address);
  return { name, client: { address: client, port: port ?? 0 }, family: client.includes(':') ? 6 : 4 };
}

/** EPERM is how a kernel without bpf_set_retval refuses a connect(). */
export function failureKind(error: unknown): FailureKind {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return { ECONNREFUSED: 'refused', ECONNRESET: 'reset', EPIPE: 'reset', ETIMEDOUT: 'timeout' }[code] ?? code;
}

export function timeoutError(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}

/** Live objects that later requests name by number. */
export class Registry<T> {
  readonly #items = new Map<number, T>();
  #last = 0;

  add(item: T): number {
    this.#items.set(++this.#last, item);
    return this.#last;
  }

  get(id: number): T {
    const item = this.#items.get(id);
    if (item === undefined) throw new Error(`nothing with number ${id}`);
    return item;
  }

  take(id: number): T {
    const item = this.get(id);
    this.#items.delete(id);
    return item;
  }
}
