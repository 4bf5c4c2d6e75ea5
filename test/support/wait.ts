// SPDX-License-Identifier: Apache-2.0
// Waiting for a condition instead of for time. The deadline is only the point where a test gives up on a hang.

import { setTimeout as delay } from 'node:timers/promises';

/** In an emulated machine everything takes its time. */
export const PATIENCE = Number(process.env['BPFSVC_PATIENCE'] ?? 1);
const DEADLINE_MS = 20_000;

export interface WaitOptions {
  readonly deadlineMs?: number;
  readonly intervalMs?: number;
}

/** Resolves with the first result that is not undefined or false; the last error, if any, is the cause of the failure. */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const { deadlineMs = DEADLINE_MS * PATIENCE, intervalMs = 20 } = options;
  const deadline = Date.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const result = await check();
      if (result !== undefined && result !== false) return result;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) throw new Error(`gave up waiting: ${what}`, { cause });
    await delay(intervalMs);
  }
}

/** Turns a promise that may never settle into one that fails with a name. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = DEADLINE_MS * PATIENCE): Promise<T> {
  const cancel = new AbortController();
  const expired = delay(deadlineMs, undefined, { signal: cancel.signal }).then(
    () => Promise.reject(new Error(`gave up waiting: ${what}`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([promise, expired]);
  } finally {
    cancel.abort();
  }
}
