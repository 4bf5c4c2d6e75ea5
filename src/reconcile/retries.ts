// SPDX-License-Identifier: Apache-2.0
// What has failed, why, and when it is tried again: Services one by one, and what belongs to none of them.

import { messageOf } from '../errors.ts';
import type { ObjectKey } from '../model/types.ts';
import { Exhausted } from './exhausted.ts';

/** Milliseconds before the n-th retry. */
export type Backoff = (attempt: number) => number;

export function defaultBackoff(attempt: number): number {
  return Math.min(30_000, 100 * 2 ** (attempt - 1));
}

export class Retries {
  readonly #failures = new Map<ObjectKey, { attempts: number; error: Error; timer: NodeJS.Timeout }>();
  readonly #backoff: Backoff;
  readonly #again: (key: ObjectKey) => void;

  constructor(backoff: Backoff, again: (key: ObjectKey) => void) {
    this.#backoff = backoff;
    this.#again = again;
  }

  get size(): number {
    return this.#failures.size;
  }

  *errors(): Generator<[ObjectKey, Error]> {
    for (const [key, { error }] of this.#failures) yield [key, error];
  }

  /** Returns in how many milliseconds it is tried again. */
  fail(key: ObjectKey, error: Error): number {
    const attempts = (this.#failures.get(key)?.attempts ?? 0) + 1;
    const retryMs = this.#backoff(attempts);
    clearTimeout(this.#failures.get(key)?.timer);
    const timer = setTimeout(() => {
      this.#again(key);
    }, retryMs);
    this.#failures.set(key, { attempts, error, timer });
    return retryMs;
  }

  recovered(key: ObjectKey): void {
    clearTimeout(this.#failures.get(key)?.timer);
    this.#failures.delete(key);
  }

  /** Those for which there was no room. */
  *exhausted(): Generator<ObjectKey> {
    for (const [key, { error }] of this.#failures) if (error instanceof Exhausted) yield key;
  }

  stop(): void {
    for (const { timer } of this.#failures.values()) clearTimeout(timer);
  }
}

/** Failures of what belongs to no Service; a later round does it again. */
export class Setback {
  readonly #backoff: Backoff;
  readonly #again: () => void;
  #attempts = 0;
  #reason: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(backoff: Backoff, again: () => void) {
    this.#backoff = backoff;
    this.#again = again;
  }

  /** Of the last attempt, until one succeeds. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  fail(error: unknown): void {
    this.#reason = messageOf(error);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#again();
    }, this.#backoff(++this.#attempts));
  }

  recovered(): void {
    this.#attempts = 0;
    this.#reason = undefined;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
