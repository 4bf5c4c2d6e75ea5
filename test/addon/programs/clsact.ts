// SPDX-License-Identifier: Apache-2.0
// Runs in a namespace for clsact.test.ts: answers calls of the addon, one a line, as `{ "answer": … }` or `{ "error": … }`.
// Arguments that are names of programs stand for those programs.

import { createInterface } from 'node:readline';
import { addon } from '../../../src/kernel/addon.ts';
import type { NativeProgram } from '../../../src/kernel/native-types.ts';

export interface Call {
  readonly method: 'attachClsact' | 'detachClsact' | 'queryClsact';
  readonly args: readonly (string | number)[];
}

const object = addon.openObject(process.argv[2] ?? '');
object.load();
const programs = new Map<string | number, NativeProgram>(
  ['let_pass', 'drop_all'].map((name) => [name, object.program(name)]),
);
const ids: Record<string, number> = Object.fromEntries(
  [...programs].map(([name, program]) => [name, program.info().id]),
);

/** As plain JavaScript calls it: some calls are wrong on purpose. */
const untyped = addon as unknown as Record<string, (...args: unknown[]) => unknown>;

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

say({ answer: ids });
createInterface({ input: process.stdin }).on('line', (line) => {
  const { method, args } = JSON.parse(line) as Call;
  try {
    say({ answer: untyped[method]?.(...args.map((arg) => programs.get(arg) ?? arg)) ?? null });
  } catch (error) {
    const { message, code, op, object: name } = error as Error & { code?: string; op?: string; object?: string };
    say({ error: { message, code, op, object: name } });
  }
});
