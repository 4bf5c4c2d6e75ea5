// SPDX-License-Identifier: Apache-2.0
// Large files are read on a thread of their own: the event loop goes on, and the memory that parsing takes goes back
// with the thread.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { KnownPieces, LoadedFile } from './load.ts';
import { Assembly } from './load.ts';
import type { PortRange } from './port-range.ts';
import type { ReadPiece } from './read-pieces.ts';

export interface LoadRequest {
  /** UTF-8. */
  readonly content: Uint8Array;
  readonly nodePorts: PortRange;
  readonly known: ReadonlySet<string>;
}

/** The neighbour has this file's extension: .ts in the source tree, .js in the build. */
const WORKER = new URL(`./load-worker${extname(import.meta.url)}`, import.meta.url);

/** Takes the content over. */
export async function loadAside(
  content: Uint8Array<ArrayBuffer>,
  file: string,
  nodePorts: PortRange,
  known: KnownPieces = new Map(),
): Promise<LoadedFile> {
  const assembly = new Assembly(file, known);
  const request: LoadRequest = { content, nodePorts, known: assembly.knownKeys };
  const transferList = content.byteLength === content.buffer.byteLength ? [content.buffer] : [];
  const worker = new Worker(WORKER, {
    workerData: request,
    transferList,
    resourceLimits: { maxYoungGenerationSizeMb: 16 },
  });
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (batch: readonly ReadPiece[]) => {
      for (const piece of batch) assembly.add(piece);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the thread that reads ${file} ended with ${code}`));
    });
  });
  return assembly;
}
