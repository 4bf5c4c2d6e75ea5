// SPDX-License-Identifier: Apache-2.0
// The package's version, from the one place where it stands.

import { readFileSync } from 'node:fs';
import path from 'node:path';

/** package.json lies two directories above, as source and when built. */
export function readVersion(): string {
  const file = path.resolve(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
