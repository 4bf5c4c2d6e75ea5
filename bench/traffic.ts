// SPDX-License-Identifier: Apache-2.0
// Real connections through the test cluster: each case beside the same route without translation, in turns, so that
// whatever else the machine does falls on both.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Place } from '../test/support/place.ts';
import type { Figure } from './result.ts';
import { median } from './result.ts';

export interface Route {
  readonly name: string;
  readonly from: Place;
  readonly address: string;
  readonly port: number;
}

/** A route and the one that it is measured against. */
export interface Comparison {
  readonly route: Route;
  readonly base: Route;
}

interface Sample {
  readonly ns: number;
  readonly p50: number;
  readonly p99: number;
}

export interface Effort {
  readonly rounds: number;
  readonly connections: number;
  readonly pings: number;
  readonly bytes: number;
}

export async function serve(program: string, place: Place, port: number): Promise<AsyncDisposable> {
  const child = place.spawn(program, ['serve', '::', String(port)]);
  const ended = once(child, 'close');
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as unknown[];
  if (line !== 'ready') throw new Error(`netbench does not serve in ${place.name}`);
  return {
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

export async function compare(program: string, { route, base }: Comparison, effort: Effort): Promise<Figure[]> {
  const kinds = [
    { verb: 'connect', count: effort.connections },
    { verb: 'ping', count: effort.pings },
    { verb: 'pour', count: effort.bytes },
  ] as const;
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < effort.rounds; round++) {
    // In turns, and the first of a pair changes: neither always runs on the warmer machine.
    const pair = round % 2 === 0 ? [route, base] : [base, route];
    for (const { verb, count } of kinds) {
      for (const { name, from, address, port } of pair) {
        const output = await from.run(program, [verb, address, String(port), String(count)]);
        const key = `${verb} ${name}`;
        samples.set(key, [...(samples.get(key) ?? []), JSON.parse(output) as Sample]);
      }
    }
  }
  const of = (verb: string, name: string, value: (sample: Sample) => number): number[] =>
    (samples.get(`${verb} ${name}`) ?? []).map(value);
  const figure = (
    metric: string,
    unit: string,
    verb: string,
    value: (sample: Sample) => number,
    more: boolean,
  ): Figure => {
    const ours = of(verb, route.name, value);
    const theirs = of(verb, base.name, value);
    // Each round's own ratio: its two halves ran side by side.
    const ratios = ours.map((x, i) => (more ? x / (theirs[i] ?? Number.NaN) : (theirs[i] ?? Number.NaN) / x));
    return { case: route.name, metric, value: median(ours), unit, ratio: median(ratios), of: base.name };
  };
  return [
    figure('new connections', '1/s', 'connect', ({ ns }) => (effort.connections / ns) * 1e9, true),
    figure('connect p50', 'us', 'connect', ({ p50 }) => p50 / 1e3, false),
    figure('round trip p50', 'us', 'ping', ({ p50 }) => p50 / 1e3, false),
    figure('round trip p99', 'us', 'ping', ({ p99 }) => p99 / 1e3, false),
    figure('throughput', 'Gbit/s', 'pour', ({ ns }) => (effort.bytes * 8) / ns, true),
  ];
}
