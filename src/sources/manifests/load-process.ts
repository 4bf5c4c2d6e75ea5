// SPDX-License-Identifier: Apache-2.0
// The process of load-aside.ts: sends pieces in batches small enough that taking one in does not hold up anybody. It ends
// when the agent says so, or when there is no agent any more.

import type { LoadReply, LoadRequest } from './load-aside.ts';
import { ObjectReader } from './objects.ts';
import type { ReadPiece } from './read-pieces.ts';
import { readPieces } from './read-pieces.ts';

const BATCH = 250;

process.once('message', ({ content, nodePorts, known }: LoadRequest) => {
  const text = new TextDecoder().decode(content);
  let batch: ReadPiece[] = [];
  for (const piece of readPieces(text, new ObjectReader(nodePorts), known)) {
    batch.push(piece);
    if (batch.length < BATCH) continue;
    reply(batch);
    batch = [];
  }
  if (batch.length > 0) reply(batch);
  reply([]);
});
process.once('disconnect', () => process.exit());

function reply(pieces: LoadReply): void {
  process.send?.(pieces);
}

// Who stops the agent by a signal to the whole group does not mean to fail a file.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
