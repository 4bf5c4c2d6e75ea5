// SPDX-License-Identifier: Apache-2.0
// What is wrong with this agent's world, by what it concerns: state, not events. Each subject tells all of its problems
// whenever they change; whoever writes them down hears of a bunch of changes once.

import type { ReportedProblem } from '../observe/agent-report.ts';

export class Problems {
  readonly #subjects = new Map<string, Map<string, ReportedProblem>>();
  readonly #changed: () => void;
  readonly #now: () => Date;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(changed: () => void, now: () => Date = () => new Date()) {
    this.#changed = changed;
    this.#now = now;
  }

  /** All problems of a subject, in order; those that it had before keep their time. */
  set(about: string, messages: Iterable<string>): void {
    const before = this.#subjects.get(about) ?? new Map<string, ReportedProblem>();
    const since = this.#now().toISOString();
    const now = new Map(Array.from(messages, (message) => [message, before.get(message) ?? { about, message, since }]));
    const same = now.size === before.size && [...now.keys()].every((message) => before.has(message));
    this.#subjects.set(about, now);
    if (!same)
      this.#scheduled ??= setImmediate(() => {
        this.#tell();
      });
  }

  list(): ReportedProblem[] {
    return [...this.#subjects.values()].flatMap((problems) => [...problems.values()]);
  }

  close(): void {
    clearImmediate(this.#scheduled);
  }

  #tell(): void {
    this.#scheduled = undefined;
    this.#changed();
  }
}
