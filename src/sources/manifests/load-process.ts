// SPDX-License-Identifier: Apache-2.0
// The process of load-aside.ts: sends pieces in batches small enough that taking one in does not hold up anybody. It ends
// when the agent says so, or when there is no agent any more.

import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { AsideEnd, AsideReply, AsideRequest } from './load-aside.ts';
import { NOT_UTF8 } from './load.ts';
import { ObjectReader } from './objects.ts';
import type { ReadPiece } from './read-pieces.ts';
import { readPieces } from './read-pieces.ts';
import type { Stamp } from './walk.ts';
import { isGone, stampOf } from './walk.ts';

const BATCH = 250;

process.once('message', (request: AsideRequest) => {
  reply(read(request));
});
process.once('disconnect', () => process.exit());
// Who stops the agent by a signal to the whole group does not mean that a file cannot be read.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

interface Content {
  readonly digest: string;
  /** Undefined: no UTF-8. */
  readonly text: string | undefined;
}

function read({ file, stamp, digest: before, nodePorts, known }: AsideRequest): AsideEnd {
  let content: Content | undefined;
  try {
    content = readAs(stamp, file);
  } catch (error) {
    if (isGone(error)) return { outcome: 'moved' };
    return { outcome: 'unread', reason: error instanceof Error ? error.message : String(error) };
  }
  if (content === undefined) return { outcome: 'moved' };
  const { digest, text } = content;
  if (digest === before) return { outcome: 'same' };
  if (text === undefined) return { outcome: 'read', digest, complaint: NOT_UTF8 };
  let batch: ReadPiece[] = [];
  for (const piece of readPieces(text, new ObjectReader(nodePorts), known)) {
    batch.push(piece);
    if (batch.length < BATCH) continue;
    reply(batch);
    batch = [];
  }
  reply(batch);
  return { outcome: 'read', digest, complaint: undefined };
}

/** Undefined: it has become another file, or is being written. */
function readAs(stamp: Stamp, file: string): Content | undefined {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = readFileSync(descriptor);
    if (stampOf(fstatSync(descriptor, { bigint: true })) !== stamp) return undefined;
    return { digest: hash('sha256', bytes), text: isUtf8(bytes) ? new TextDecoder().decode(bytes) : undefined };
  } finally {
    closeSync(descriptor);
  }
}

function reply(message: AsideReply): void {
  process.send?.(message);
}
