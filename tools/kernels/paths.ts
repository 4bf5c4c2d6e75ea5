// SPDX-License-Identifier: Apache-2.0
// Where the harness keeps things. Kernels are downloaded once per machine, so they lie outside the clone and outlive
// `make clean`; images and results belong to the clone.

import os from 'node:os';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

/** Holds what shall run in a VM: matrix, init. */
export const TEST_DIRECTORY = path.join(ROOT, 'test/kernels');

/** Of this clone; removed by `make clean`. */
export const WORK_DIRECTORY = path.join(ROOT, '.cache/kernels');

export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const home = env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  return path.join(env['BPFSVC_CACHE'] ?? path.join(home, 'bpfsvc'), 'kernels');
}
