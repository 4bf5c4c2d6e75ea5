// SPDX-License-Identifier: Apache-2.0
// The test's end of a workload process: start it in a place, ask it for operations, end it.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Exchange, Operation, Operations, Reply } from '../workloads/protocol.ts';
import type { PipedProcess, Place } from './place.ts';
import { within } from './wait.ts';

const PROGRAM = fileURLToPath(new URL('../workloads/main.ts', import.meta.url));

export class Workload implements AsyncDisposable {
  readonly place: Place;
  readonly #process: PipedProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ended: Promise<unknown>;
  readonly #ready: Promise<unknown>;
  #last = 0;
  #failure: Error | undefined;
  #stderr = '';

  private constructor(place: Place, process: PipedProcess) {
    this.place = place;
    this.#process = process;
    this.#ended = once(process, 'close').then(() => {
      this.#failure = new Error(`workload in ${place.name} ended: ${this.#stderr.trim()}`);
      for (const { reject } of this.#pending.values()) reject(this.#failure);
    });
    process.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    // It may end between two requests; the request that finds out is told by the process's end.
    process.stdin.on('error', () => undefined);
    this.#ready = this.#expect(0);
    createInterface({ input: process.stdout }).on('line', (line) => {
      this.#settle(line === '"ready"' ? { id: 0, answer: null } : (JSON.parse(line) as Reply));
    });
  }

  static async start(place: Place): Promise<Workload> {
    const workload = new Workload(place, place.spawn(process.execPath, [PROGRAM]));
    await within(`workload in ${place.name} to start`, workload.#ready);
    return workload;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  call<K extends Operation>(operation: K, request: Operations[K]['request']): Promise<Operations[K]['answer']> {
    const id = ++this.#last;
    const answer = this.#expect(id);
    this.#process.stdin.write(`${JSON.stringify({ id, operation, request })}\n`);
    return answer as Promise<Operations[K]['answer']>;
  }

  /** One request on a connection of its own. */
  get(host: string, port: number, timeoutMs?: number): Promise<Exchange> {
    return this.call('http.get', { host, port, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }

  // --- internal ---

  #expect(id: number): Promise<unknown> {
    const pending = Promise.withResolvers<unknown>();
    if (this.#failure === undefined) this.#pending.set(id, pending);
    else pending.reject(this.#failure);
    // Disposing of a workload ends what it was asked for; only those who still wait should hear of it.
    pending.promise.catch(() => undefined);
    return pending.promise;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('error' in reply) pending?.reject(new Error(`workload in ${this.place.name}: ${reply.error}`));
    else pending?.resolve(reply.answer);
  }
}
