// SPDX-License-Identifier: Apache-2.0
// Topics as tests. All rules of a file share one cluster: what they give is applied at once, then each is looked at; those
// with steps take their turn with files of their own. PENDING=1 tells what was seen of rules that do not pass yet.

import { beforeAll, describe, expect, test } from 'vitest';
import { pathsOf } from './check.ts';
import { Ground } from './ground.ts';
import { RuleRun } from './rule-run.ts';
import { USUAL } from './environments.ts';
import type { Topic } from './rule.ts';
import { Broadly, judge } from './verdict.ts';
import { sightText } from './words.ts';

/** Topics in one cluster, each under its environment. */
export function runTopics(topics: readonly Topic[]): void {
  let ground: Ground;
  let services = 0;
  const broadly = new Broadly();
  const played = topics.map(({ title, rules, environment }) => ({
    title,
    environment: environment ?? USUAL,
    runs: rules.map((rule) => new RuleRun(rule, () => services++)),
  }));

  beforeAll(async () => {
    ground = await Ground.create();
    return () => ground[Symbol.asyncDispose]();
  });

  describe.each(played)('$title', ({ runs, environment }) => {
    /** Agents that do not start with these settings: then nothing is seen. */
    let refusal: string | undefined;

    beforeAll(async () => {
      refusal = await ground.settle(environment).then(
        () => undefined,
        (error: unknown) => String(error),
      );
      if (refusal !== undefined) return;
      await ground.listenOutside(runs.flatMap(({ ownPorts }) => ownPorts));
      const still = runs.filter(({ rule }) => rule.steps === undefined);
      await ground.apply(
        'still',
        still.flatMap((run) => run.objects()),
      );
    });

    describe.each(runs)('$rule.title', (run) => {
      if (run.rule.steps !== undefined) {
        test('step by step', async () => {
          const verdicts = refusal === undefined ? await run.walk(ground) : run.refused(refusal);
          for (const verdict of verdicts) broadly.add(verdict);
          judge(run, ground, verdicts);
        });
        return;
      }
      test.each(rowsOf(run))('$text', async ({ sight, path }) => {
        const verdicts = refusal === undefined ? [await run.see(ground, sight, path)] : run.refused(refusal);
        for (const verdict of verdicts) broadly.add(verdict);
        judge(run, ground, verdicts);
      });
    });
  });

  test('what is missing as a whole still fails somewhere; else take it from pending.ts', () => {
    expect(broadly.done()).toEqual([]);
  });
}

// --- internal ---

function rowsOf({ rule: { seen = [] } }: RuleRun) {
  return seen.flatMap((sight) =>
    pathsOf(sight).map((path) => ({ sight, path, text: `${sightText(sight)} (${path})` })),
  );
}
