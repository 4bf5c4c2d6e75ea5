// SPDX-License-Identifier: Apache-2.0
// Keeps what `bpfsvc status` says of this agent up to date: its state and its problems, in a map that outlives it.

import type { AgentReport } from '../observe/agent-report.ts';
import { AgentReportMap } from '../observe/agent-report.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { Problems } from './problems.ts';

export interface SelfReportOptions {
  /** Of the pinned maps. */
  readonly directory: string;
  readonly nodeName: string;
}

export class SelfReport {
  readonly problems: Problems;
  readonly #map: AgentReportMap;
  readonly #node: string;
  readonly #started = new Date().toISOString();
  #state: AgentReport['state'] = 'starting';

  constructor({ directory, nodeName }: SelfReportOptions) {
    this.#node = nodeName;
    this.#map = AgentReportMap.provide(directory);
    this.problems = new Problems(() => {
      this.#write();
    });
    this.#write();
  }

  set state(state: AgentReport['state']) {
    this.#state = state;
    this.#write();
  }

  /** The last words. */
  close(): void {
    this.problems.close();
    this.state = 'stopped';
    this.#map[Symbol.dispose]();
  }

  #write(): void {
    this.#map.write({
      pid: process.pid,
      node: this.#node,
      state: this.#state,
      started: this.#started,
      written: new Date().toISOString(),
      problems: this.problems.list(),
      problemsLeftOut: 0,
    });
  }
}

/** What of the Services is not in the maps as the objects say, and why. */
export function* serviceProblems(reconciler: Reconciler): Generator<string> {
  for (const { service, message } of reconciler.problems()) yield `${service}: ${message}`;
  const { services, lists, unread } = reconciler.kept();
  const kept = [
    ...(services.length > 0 ? [`Services ${someOf(services)}`] : []),
    ...(lists.length > 0 ? [`backends of ${someOf(lists)}`] : []),
  ];
  if (kept.length > 0) {
    yield `${kept.join(' and ')} stay as they were until everything can be read; correct or remove ${someOf(unread)}`;
  }
  if (reconciler.setback !== undefined) yield `the maps: ${reconciler.setback}; it is tried again`;
}

const ENOUGH = 20;

export function someOf(names: readonly string[]): string {
  const more = names.length - ENOUGH;
  return names.slice(0, ENOUGH).join(', ') + (more > 0 ? ` and ${String(more)} more` : '');
}
