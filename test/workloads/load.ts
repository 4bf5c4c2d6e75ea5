// SPDX-License-Identifier: Apache-2.0
// Load: one new connection per request, so many at a time, every failure counted by its kind and none retried.

import type { Greeting, Handlers, LoadOptions, LoadResult, LoadSample } from './protocol.ts';
import { failureKind, Registry } from './sockets.ts';
import { send, text } from './tcp-client.ts';

export const loadOperations: Handlers<'load.start' | 'load.progress' | 'load.finish' | 'load.stop'> = {
  'load.start': (options) => ({ id: loads.add(new Load(options)) }),

  'load.progress': ({ id }) => {
    const { requests, failed } = loads.get(id);
    return { requests, failed };
  },

  'load.finish': ({ id }) => loads.take(id).finished,

  'load.stop': ({ id }) => {
    const load = loads.take(id);
    load.stop();
    return load.finished;
  },
};

// --- internal ---

class Load {
  requests = 0;
  failed = 0;
  readonly finished: Promise<LoadResult>;
  readonly #options: LoadOptions;
  readonly #failures: Record<string, number> = {};
  readonly #backends: Record<string, number> = {};
  readonly #samples: LoadSample[] = [];
  #slowest = 0;
  #started = 0;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.finished = this.#run();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<LoadResult> {
    const start = now();
    await Promise.all(Array.from({ length: this.#options.concurrency }, () => this.#worker()));
    return {
      requests: this.requests,
      failed: this.failed,
      failures: this.#failures,
      backends: this.#backends,
      slowestMs: this.#slowest / 1e6,
      elapsedMs: (now() - start) / 1e6,
      samples: this.#samples,
    };
  }

  async #worker(): Promise<void> {
    const { requests = Infinity, localAddresses, samples = false } = this.#options;
    while (!this.#stopped && this.#started < requests) {
      const localAddress = localAddresses?.[this.#started % localAddresses.length];
      this.#started++;
      const start = now();
      const [backend, failure] = await this.#request(localAddress);
      const end = now();
      this.requests++;
      this.#slowest = Math.max(this.#slowest, end - start);
      if (backend !== null) this.#backends[backend] = (this.#backends[backend] ?? 0) + 1;
      if (failure !== null) {
        this.failed++;
        this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
      }
      if (samples) this.#samples.push([start, end, backend, failure]);
    }
  }

  async #request(localAddress: string | undefined): Promise<[backend: string | null, failure: string | null]> {
    try {
      const destination = localAddress === undefined ? this.#options : { ...this.#options, localAddress };
      const response = await send(destination, { agent: false, path: '/' });
      return [(JSON.parse(await text(response)) as Greeting).name, null];
    } catch (error) {
      return [null, failureKind(error)];
    }
  }
}

const loads = new Registry<Load>();

/** Nanoseconds; the clock is the same in every process of a machine, and a double holds it for 100 days of uptime. */
function now(): number {
  return Number(process.hrtime.bigint());
}
