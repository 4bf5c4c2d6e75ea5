// SPDX-License-Identifier: Apache-2.0
// System calls that Node does not offer, under names that say what they are good for.

import { addon } from './addon.ts';

/**
 * Resolves when every BPF program that was running at the call has ended: nobody reads any more what was taken out of
 * the maps before it. Takes some ten milliseconds, on a thread of libuv.
 */
export function rcuBarrier(): Promise<void> {
  return addon.rcuBarrier();
}

/**
 * The kernel's number for the network namespace at `path` (this process's, if not given): the same as long as it lives,
 * never used again. Undefined before Linux 5.14.
 */
export function netnsCookie(path?: string): bigint | undefined {
  return addon.netnsCookie(path);
}

/** Locks an open file for its holder alone. False: somebody else has it. Closing the descriptor lets go. */
export function tryLock(fd: number): boolean {
  return addon.flock(fd, true);
}

/** On an existing directory, for root only, without devices, programs and set-uid. */
export function mountBpffs(path: string): void {
  addon.mountBpffs(path);
}
