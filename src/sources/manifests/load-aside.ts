// SPDX-License-Identifier: Apache-2.0
// Large files are read by a process of their own: the event loop goes on, and the memory that it takes, many times the
// file's size, is given back at its end. Of a thread's, half would stay with the agent.

import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnownPieces, LoadedFile } from './load.ts';
import { Assembly } from './load.ts';
import type { PortRange } from './port-range.ts';
import type { ReadPiece } from './read-pieces.ts';
import type { Stamp } from './walk.ts';

export interface AsideRequest {
  readonly file: string;
  /** As the file was when it was seen; another one is not read. */
  readonly stamp: Stamp;
  /** Of the content that is known. */
  readonly digest: string | undefined;
  readonly nodePorts: PortRange;
  readonly known: ReadonlySet<string>;
}

/** Some pieces, in the order of the file, or how it ended. */
export type AsideReply = readonly ReadPiece[] | AsideEnd;

export type AsideEnd =
  | { readonly outcome: 'read'; readonly digest: string; readonly complaint: string | undefined }
  /** The content is the known one. */
  | { readonly outcome: 'same' }
  /** The file is not any more what it was when it was seen. */
  | { readonly outcome: 'moved' }
  | { readonly outcome: 'unread'; readonly reason: string };

export interface Aside {
  readonly end: AsideEnd;
  readonly loaded: LoadedFile;
}

/** The neighbour has this file's extension: .ts in the source tree, .js in the build. */
const PROGRAM = fileURLToPath(new URL(`./load-process${extname(import.meta.url)}`, import.meta.url));

export async function loadAside(what: Omit<AsideRequest, 'known'>, known: KnownPieces = new Map()): Promise<Aside> {
  const loaded = new Assembly(what.file, known);
  const reader = fork(PROGRAM, [], { serialization: 'advanced' });
  try {
    const end = await new Promise<AsideEnd>((resolve) => {
      reader.on('message', (reply: AsideReply) => {
        if ('outcome' in reply) resolve(reply);
        else for (const piece of reply) loaded.add(piece);
      });
      reader.on('error', ({ message }) => {
        resolve({ outcome: 'unread', reason: `no process can be had for it: ${message}` });
      });
      reader.on('exit', (code, signal) => {
        const reason = `the process that reads it ended with ${String(signal ?? code)}; see that there is memory`;
        resolve({ outcome: 'unread', reason });
      });
      reader.send({ ...what, known: loaded.knownKeys } satisfies AsideRequest);
    });
    return { end, loaded };
  } finally {
    reader.kill('SIGKILL');
  }
}
