// SPDX-License-Identifier: Apache-2.0
// Long transfers: a download that notices every stall and every wrong byte, and an upload.

import { once } from 'node:events';
import { matchesPattern, patternAt } from './pattern.ts';
import type { Destination, FailureKind, Handlers, TransferResult } from './protocol.ts';
import { failureKind, Registry } from './sockets.ts';
import { send, text } from './tcp-client.ts';

export const transferOperations: Handlers<'download.start' | 'download.progress' | 'download.finish' | 'upload'> = {
  'download.start': (request) => ({ id: downloads.add(new Download(request)) }),
  'download.progress': ({ id }) => ({ bytes: downloads.get(id).bytes }),
  'download.finish': ({ id }) => downloads.take(id).finished,
  upload: (request) => upload(request),
};

// --- internal ---

class Download {
  bytes = 0;
  readonly finished: Promise<TransferResult>;
  #intact = true;
  #longestStall = 0;
  #backend: string | null = null;

  constructor(request: Destination & { bytes: number; rate?: number }) {
    this.finished = this.#run(request).then(
      () => this.#result(this.bytes === request.bytes ? null : 'short'),
      (error: unknown) => this.#result(failureKind(error)),
    );
  }

  async #run(request: Destination & { bytes: number; rate?: number }): Promise<void> {
    const path = `/stream?bytes=${request.bytes}&rate=${request.rate ?? 0}`;
    const response = await send(request, { agent: false, path });
    this.#backend = String(response.headers['x-backend']);
    let last = performance.now();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const arrived = performance.now();
      this.#longestStall = Math.max(this.#longestStall, arrived - last);
      last = arrived;
      this.#intact &&= matchesPattern(this.bytes, chunk);
      this.bytes += chunk.length;
    }
  }

  #result(failure: FailureKind | null): TransferResult {
    const { bytes } = this;
    return { failure, bytes, intact: this.#intact, longestStallMs: this.#longestStall, backend: this.#backend };
  }
}

const downloads = new Registry<Download>();

async function upload(request: Destination & { bytes: number }): Promise<TransferResult> {
  try {
    const response = await send(request, { agent: false, path: '/upload', method: 'POST' }, (stream) => {
      void (async (): Promise<void> => {
        for (let sent = 0; sent < request.bytes && !stream.destroyed;) {
          const chunk = patternAt(sent, request.bytes - sent);
          sent += chunk.length;
          if (!stream.write(chunk)) await once(stream, 'drain');
        }
        stream.end();
      })().catch((error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))));
    });
    const { bytes, intact } = JSON.parse(await text(response)) as { bytes: number; intact: boolean };
    const failure = bytes === request.bytes ? null : 'short';
    return { failure, bytes, intact, longestStallMs: 0, backend: String(response.headers['x-backend']) };
  } catch (error) {
    return { failure: failureKind(error), bytes: 0, intact: false, longestStallMs: 0, backend: null };
  }
}
