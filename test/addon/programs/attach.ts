// SPDX-License-Identifier: Apache-2.0
// Runs in a namespace for link.test.ts: an interface index counts where the calling thread is. Each line is one call of
// `addon` or of something made before, `$name`; what it returns is kept under `as`, the answer says what it was.

import { createInterface } from 'node:readline';
import { addon } from '../../../src/kernel/addon.ts';

export interface Call {
  readonly on: string;
  readonly method: string;
  readonly args: readonly (string | number)[];
  readonly as?: string;
}

type Methods = Record<string, (...args: unknown[]) => unknown>;

const object = addon.openObject(process.argv[2] ?? '');
object.load();
const known = new Map<unknown, unknown>([
  ['$addon', addon],
  ...object.programs().map(({ name }): [string, unknown] => [`$${name}`, object.program(name)]),
]);
const packets = object.map('packets');

/** What each program has seen, in the order of enum counter. */
known.set('$packets', {
  read: () =>
    [0, 1, 2, 3].map((counter) => {
      const bytes = packets.lookup(new Uint8Array(new Uint32Array([counter]).buffer));
      return bytes === undefined ? 0 : Number(new BigUint64Array(bytes.slice().buffer)[0]);
    }),
});

function say(answer: unknown): void {
  const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  process.stdout.write(`${JSON.stringify(answer, text)}\n`);
}

say({ answer: 'ready' });
createInterface({ input: process.stdin }).on('line', (line) => {
  const { on, method, args, as } = JSON.parse(line) as Call;
  try {
    const receiver = known.get(on) as Methods;
    const result = receiver[method]?.(...args.map((arg) => known.get(arg) ?? arg)) ?? null;
    if (as !== undefined) known.set(as, result);
    say({ answer: as === undefined ? result : null });
  } catch (error) {
    const { message, code, op, object: name } = error as Error & { code?: string; op?: string; object?: string };
    say({ error: { message, code, op, object: name } });
  }
});
