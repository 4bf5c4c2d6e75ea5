// SPDX-License-Identifier: Apache-2.0
// fingerprint.gen.ts: what an object must look like to fit, line by line, and the hash of it.

import type { AbiLines } from '../../src/toolchain/fingerprint.ts';
import { fingerprint } from '../../src/toolchain/fingerprint.ts';
import { banner } from './emit.ts';

export function emitFingerprint(lines: AbiLines): string {
  return `${banner('What an object must look like to fit; toolchain/fingerprint.ts holds one against it.')}

/** Over structs, enums and maps without their sizes; names the directory of the pins. */
export const FINGERPRINT = '${fingerprint(lines)}';

export const ABI_LINES: Readonly<Record<string, string>> = ${JSON.stringify(lines)};
`;
}
