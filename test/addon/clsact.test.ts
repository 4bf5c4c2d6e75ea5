// SPDX-License-Identifier: Apache-2.0
// The way onto interfaces before tcx. `tc` is the second opinion on what is attached and what it does.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestObject } from '../support/bpf-object.ts';
import type { Conversation } from '../support/namespace.ts';
import { Namespace } from '../support/namespace.ts';
import type { Call } from './programs/clsact.ts';

const LOOPBACK = 1;
const HANDLE = 0x62;
const PRIORITY = 50;
const AT = [HANDLE, PRIORITY] as const;

let object: TestObject;
let namespace: Namespace;
let program: Conversation;
let ids: { let_pass: number; drop_all: number };

interface Answer {
  readonly answer?: unknown;
  readonly error?: { message: string; code: string; op: string; object: string };
}

async function call(method: Call['method'], ...args: Call['args']): Promise<unknown> {
  program.tell(JSON.stringify({ method, args } satisfies Call));
  const { answer, error } = await program.hear<Answer>(`the answer to ${method}`);
  return error ?? answer;
}

/** Programs that tc finds, by priority and handle. */
async function listed(direction: string, device = 'lo'): Promise<unknown[]> {
  interface Filter {
    pref: number;
    options?: { handle?: string; bpf_name?: string; prog?: { id: number } };
  }
  const text = await namespace.run('tc', ['-json', 'filter', 'show', 'dev', device, direction]);
  return (JSON.parse(text) as Filter[]).flatMap(({ pref, options }) =>
    options?.prog === undefined ? [] : [[pref, options.handle, options.prog.id]],
  );
}

/** Whether a packet over loopback is dropped by a program, by the qdisc's own count. */
async function drops(): Promise<boolean> {
  const dropped = async (): Promise<number> => {
    const text = await namespace.run('tc', ['-json', '-statistics', 'qdisc', 'show', 'dev', 'lo']);
    const qdiscs = JSON.parse(text) as { kind: string; drops?: number }[];
    return qdiscs.find(({ kind }) => kind === 'clsact')?.drops ?? 0;
  };
  const before = await dropped();
  await namespace.run('bash', ['-c', 'echo >/dev/udp/127.0.0.1/9']);
  return (await dropped()) > before;
}

beforeEach(async () => {
  object = await TestObject.compile('addon/programs/verdicts.bpf.c');
  namespace = await Namespace.create();
  program = namespace.start('addon/programs/clsact.ts', object.path);
  ids = (await program.hear<{ answer: typeof ids }>('the programs')).answer;
});

afterEach(async () => {
  await program[Symbol.asyncDispose]();
  namespace[Symbol.dispose]();
  object[Symbol.dispose]();
});

describe('attachClsact', () => {
  it('makes the qdisc and a filter in each direction, which run', async () => {
    expect(await call('attachClsact', 'let_pass', LOOPBACK, 'egress', ...AT)).toBeNull();
    expect(await drops()).toBe(false);
    expect(await call('attachClsact', 'drop_all', LOOPBACK, 'ingress', ...AT)).toBeNull();
    expect(await listed('egress')).toEqual([[PRIORITY, '0x62', ids.let_pass]]);
    expect(await listed('ingress')).toEqual([[PRIORITY, '0x62', ids.drop_all]]);
    expect(await drops()).toBe(true);
  });

  it('replaces what has the same handle and priority, and leaves other filters alone', async () => {
    await call('attachClsact', 'drop_all', LOOPBACK, 'ingress', ...AT);
    await call('attachClsact', 'let_pass', LOOPBACK, 'ingress', 1, 60);
    await call('attachClsact', 'let_pass', LOOPBACK, 'ingress', ...AT);
    expect(await listed('ingress')).toEqual([
      [PRIORITY, '0x62', ids.let_pass],
      [60, '0x1', ids.let_pass],
    ]);
    expect(await drops()).toBe(false);
  });

  it('names the interface that does not exist', async () => {
    const error = await call('attachClsact', 'let_pass', 77, 'ingress', ...AT);
    expect(error).toMatchObject({ code: 'ENODEV', op: 'clsact.attach', object: 'interface 77' });
  });

  it.each([
    [['nothing', LOOPBACK, 'ingress', 1, 1], 'program is not a program'],
    [['let_pass', LOOPBACK, 'both', 1, 1], 'direction is neither ingress nor egress'],
    [['let_pass', LOOPBACK, 'ingress', 0, 1], 'handle is 0'],
    [['let_pass', LOOPBACK, 'ingress', 1, 0], 'priority is not from 1 to 65535'],
    [['let_pass', LOOPBACK, 'ingress', 1, 65536], 'priority is not from 1 to 65535'],
    [['let_pass', -1, 'ingress', 1, 1], 'ifindex is not an integer'],
  ])('refuses %j', async (args, reason) => {
    const error = await call('attachClsact', ...args);
    expect(error).toMatchObject({ code: 'EINVAL', message: expect.stringContaining(reason) as string });
  });
});

describe('queryClsact', () => {
  it('tells the program at a handle and priority, and finds none elsewhere', async () => {
    expect(await call('queryClsact', LOOPBACK, 'ingress', ...AT)).toBeNull();
    await call('attachClsact', 'let_pass', LOOPBACK, 'ingress', ...AT);
    expect(await call('queryClsact', LOOPBACK, 'ingress', ...AT)).toBe(ids.let_pass);
    expect(await call('queryClsact', LOOPBACK, 'egress', ...AT)).toBeNull();
    expect(await call('queryClsact', LOOPBACK, 'ingress', HANDLE, 51)).toBeNull();
    expect(await call('queryClsact', LOOPBACK, 'ingress', 1, PRIORITY)).toBeNull();
    expect(await call('queryClsact', 77, 'ingress', ...AT)).toBeNull();
  });
});

describe('detachClsact', () => {
  it('removes one filter, and says whether there was one', async () => {
    expect(await call('detachClsact', LOOPBACK, 'ingress', ...AT)).toBe(false);
    await call('attachClsact', 'drop_all', LOOPBACK, 'ingress', ...AT);
    await call('attachClsact', 'let_pass', LOOPBACK, 'ingress', 1, 60);
    expect(await call('detachClsact', LOOPBACK, 'ingress', ...AT)).toBe(true);
    expect(await call('detachClsact', LOOPBACK, 'ingress', ...AT)).toBe(false);
    expect(await listed('ingress')).toEqual([[60, '0x1', ids.let_pass]]);
    expect(await drops()).toBe(false);
    expect(await call('detachClsact', 77, 'ingress', ...AT)).toBe(false);
  });
});
