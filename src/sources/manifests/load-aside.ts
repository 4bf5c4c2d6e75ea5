// SPDX-License-Identifier: Apache-2.0
// Large files are read by a process of their own: the event loop goes on, and the memory that parsing takes, some ten
// times the file, is given back at its end. A thread would leave half of it with the agent.

import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
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

/** Some pieces, in the order of the file; none: these were all. */
export type LoadReply = readonly ReadPiece[];

/** For want of memory, as a rule. */
export class ReaderFailed extends Error {
  override name = 'ReaderFailed';
}

/** The neighbour has this file's extension: .ts in the source tree, .js in the build. */
const PROGRAM = fileURLToPath(new URL(`./load-process${extname(import.meta.url)}`, import.meta.url));

/** It lives too briefly to save memory. */
const NODE_OPTIONS = ['--max-semi-space-size=16', '--disable-warning=ExperimentalWarning'];

export async function loadAside(
  content: Uint8Array,
  file: string,
  nodePorts: PortRange,
  known: KnownPieces = new Map(),
): Promise<LoadedFile> {
  const assembly = new Assembly(file, known);
  const request: LoadRequest = { content, nodePorts, known: assembly.knownKeys };
  const reader = fork(PROGRAM, [], { serialization: 'advanced', execArgv: NODE_OPTIONS });
  try {
    await new Promise<void>((resolve, reject) => {
      reader.on('message', (reply: LoadReply) => {
        for (const piece of reply) assembly.add(piece);
        if (reply.length === 0) resolve();
      });
      reader.on('error', (cause) => {
        reject(new ReaderFailed(`no process can be had that reads it: ${cause.message}`, { cause }));
      });
      reader.on('exit', (code, signal) => {
        reject(
          new ReaderFailed(`the process that reads it ended with ${String(signal ?? code)}; see that there is memory`),
        );
      });
      reader.send(request);
    });
  } finally {
    reader.kill('SIGKILL');
  }
  return assembly;
}
