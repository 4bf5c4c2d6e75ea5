// SPDX-License-Identifier: Apache-2.0
// The thread of load-aside.ts: sends pieces in batches small enough that taking one in does not hold up anybody.

import { parentPort, workerData } from 'node:worker_threads';
import type { LoadRequest } from './load-aside.ts';
import { ObjectReader } from './objects.ts';
import type { ReadPiece } from './read-pieces.ts';
import { readPieces } from './read-pieces.ts';

const BATCH = 250;

const { content, nodePorts, known } = workerData as LoadRequest;
const text = new TextDecoder().decode(content);
let batch: ReadPiece[] = [];
for (const piece of readPieces(text, new ObjectReader(nodePorts), known)) {
  batch.push(piece);
  if (batch.length < BATCH) continue;
  parentPort?.postMessage(batch);
  batch = [];
}
parentPort?.postMessage(batch);
