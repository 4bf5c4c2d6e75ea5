// SPDX-License-Identifier: Apache-2.0
// One rule on its ground: what it gives, what changes step by step, and what was seen of it. Whether that is good, judges
// verdict.ts.

import type { KubernetesObject } from '../support/objects.ts';
import { waitFor } from '../support/wait.ts';
import type { HeldConnection, Situation } from './check.ts';
import { look, lookAtHeld, pathsOf } from './check.ts';
import type { Ground } from './ground.ts';
import type { Made } from './objects.ts';
import { makeServices } from './objects.ts';
import type { Pending } from './pending.ts';
import { pendingOf } from './pending.ts';
import type { Given, Held, Path, Rule, Sight, Step } from './rule.ts';
import { sightText } from './words.ts';

/** What was seen otherwise than it should be; nothing, if all is well. */
export interface Verdict {
  readonly wrong: readonly string[];
  readonly pending: Pending | undefined;
}

export class RuleRun {
  readonly rule: Rule;
  readonly #services: ReadonlyMap<string, Made>;
  readonly #given = new Map<string, Given | null>();
  readonly #stuck = new Map<string, string>();
  readonly #held = new Map<string, HeldConnection>();

  /** `number` counts Services of the ground. */
  constructor(rule: Rule, number: () => number) {
    this.rule = rule;
    this.#services = makeServices(rule, number);
    this.#change(rule.given, rule.others);
  }

  /** Ports that a Service has to itself, and the host outside listens to as well. */
  get ownPorts(): number[] {
    const asks = JSON.stringify(this.rule).includes('"own"');
    return asks ? [...this.#services.values()].map(({ ownPort }) => ownPort) : [];
  }

  /** As they are now. */
  objects(): KubernetesObject[] {
    return [...this.#services].flatMap(([of, made]) => made.objects(this.#given.get(of) ?? null));
  }

  async see(ground: Ground, sight: Sight | Held, path: Path): Promise<Verdict> {
    const pending = pendingOf(this.rule, sight, path);
    const settled = pending === undefined;
    const situation: Situation = {
      ground,
      services: this.#services,
      given: this.#given,
      stuck: this.#stuck,
      held: this.#held,
      patienceMs: settled ? PATIENCE_MS : PENDING_PATIENCE_MS,
      complaints: settled || process.env['PENDING'] !== undefined ? Infinity : 1,
    };
    const wrong = await ('held' in sight ? lookAtHeld(situation, sight, path) : look(situation, sight, path));
    return { wrong, pending };
  }

  /** Nothing can be seen, for this reason. */
  refused(reason: string): Verdict[] {
    const { pending } = this.rule;
    const feature = typeof pending === 'object' ? undefined : pending;
    return [{ wrong: [reason], pending: feature === undefined ? undefined : { feature, broad: false } }];
  }

  /** With a file of its own, step by step. */
  async walk(ground: Ground): Promise<Verdict[]> {
    const { seen = [], steps = [] } = this.rule;
    const file = [...this.#services.values()][0]?.name ?? '';
    try {
      await ground.apply(file, this.objects());
      const verdicts = await this.#seeAll(ground, 'at first', seen);
      for (const step of steps) {
        await this.#take(ground, file, step);
        verdicts.push(...(await this.#seeAll(ground, step.when, step.seen, step.ip !== undefined)));
      }
      return verdicts;
    } finally {
      for (const { workload, id } of this.#held.values()) await workload.call('probe.close', { id });
      if (steps.some(({ node }) => node !== undefined)) await ground.applyNode(undefined);
    }
  }

  // --- internal ---

  async #take(ground: Ground, file: string, { given, others, node, ip, restart }: Step): Promise<void> {
    this.#change(given, others);
    if (ip !== undefined) await ground.cluster.node1.ip(...ip);
    if (restart === true) await ground.restart(file, this.objects());
    else if (given !== undefined || others !== undefined) await ground.apply(file, this.objects());
    if (node !== undefined) await ground.applyNode(node);
  }

  #change(given: Given | null | undefined, others: Step['others']): void {
    for (const [of, change] of [['', given] as const, ...Object.entries(others ?? {})]) {
      if (change !== undefined) this.#given.set(of, change === null ? null : { ...this.#given.get(of), ...change });
    }
  }

  async #seeAll(
    ground: Ground,
    when: string,
    seen: readonly (Sight | Held)[],
    mayTakeTime = false,
  ): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const sight of seen) {
      const paths = 'held' in sight ? (sight.paths ?? BOTH) : pathsOf(sight);
      for (const path of paths) {
        const { wrong, pending } = await (mayTakeTime
          ? this.#await(ground, sight, path)
          : this.see(ground, sight, path));
        verdicts.push({ wrong: wrong.map((text) => `${when}: ${sightText(sight)}: ${text}`), pending });
      }
    }
    return verdicts;
  }

  /** The agent hears of addresses from the kernel, and nobody tells when. */
  async #await(ground: Ground, sight: Sight | Held, path: Path): Promise<Verdict> {
    let last: Verdict | undefined;
    const isGood = async (): Promise<boolean> => {
      last = await this.see(ground, sight, path);
      return last.wrong.length === 0;
    };
    const deadlineMs = pendingOf(this.rule, sight, path) === undefined ? PATIENCE_MS : PENDING_PATIENCE_MS;
    await waitFor('what is to be seen', isGood, { deadlineMs }).catch(() => undefined);
    return last ?? { wrong: ['nothing was seen'], pending: undefined };
  }
}

/** Nothing that passes waits so long. */
const PATIENCE_MS = 10_000;
const PENDING_PATIENCE_MS = 250;

const BOTH: readonly Path[] = ['socket', 'packet'];
