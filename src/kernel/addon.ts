// SPDX-License-Identifier: Apache-2.0
// The only file that loads the native addon.

import { createRequire } from 'node:module';
import path from 'node:path';
import { KernelError } from './errors.ts';
import type { NativeAddon } from './native-types.ts';

/** Two directories below the package's own, as source and when built. */
const BINARY = path.resolve(import.meta.dirname, '../../native/build/Release/bpfsvc.node');

export const addon: NativeAddon = load();

function load(): NativeAddon {
  try {
    const native = createRequire(import.meta.url)(BINARY) as NativeAddon;
    native.setErrorClass(KernelError);
    return native;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`cannot load the native addon: ${reason}; build it: make build`, { cause });
  }
}
