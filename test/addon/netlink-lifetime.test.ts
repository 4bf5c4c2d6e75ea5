// SPDX-License-Identifier: Apache-2.0
// What subscriptions cost and leave: descriptors, threads, processes that do not end. And what they refuse.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { run } from '../support/command.ts';

const ADDON = new URL('../../src/kernel/addon.ts', import.meta.url).href;

/** As plain JavaScript calls it. */
const untyped = addon as unknown as Record<string, (...args: unknown[]) => unknown>;

const listen = (): void => undefined;

const count = (what: 'fd' | 'task'): number => readdirSync(`/proc/self/${what}`).length;

function closesOnExec(fd: string): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
  return (parseInt(flags, 8) & 0o2000000) !== 0;
}

/** A worker that is ended in the middle of what `code` does with `addon`. */
async function inWorker(code: string): Promise<number> {
  const source = `import { addon } from '${ADDON}'; ${code}; setImmediate(() => process.exit(0));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  return new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));
}

describe('netlinkSubscribe', () => {
  it('leaves no descriptor and no thread behind after a thousand subscriptions', () => {
    const before = [count('fd'), count('task')];
    for (let i = 0; i < 1000; i++) {
      const subscription = addon.netlinkSubscribe(['link'], listen);
      subscription.close();
      subscription.close();
    }
    expect([count('fd'), count('task')]).toEqual(before);
  });

  it('keeps its descriptors from child processes', () => {
    const inherited = (): string[] =>
      readdirSync('/proc/self/fdinfo').filter((fd) => existsSync(`/proc/self/fd/${fd}`) && !closesOnExec(fd));
    const before = [inherited(), count('fd')];
    const subscription = addon.netlinkSubscribe(['link'], listen);
    expect([inherited(), count('fd') - 2]).toEqual(before);
    subscription.close();
  });

  it('leaves nothing behind when a worker ends with a subscription open', async () => {
    await inWorker("addon.netlinkSubscribe(['link'], () => undefined)");
    const before = [count('fd'), count('task')];
    for (let i = 0; i < 5; i++) expect(await inWorker("addon.netlinkSubscribe(['link'], () => undefined)")).toBe(0);
    expect([count('fd'), count('task')]).toEqual(before);
  });

  it('lets an exception of its listener reach the process', async () => {
    const code = `import { addon } from '${ADDON}'; import { execFileSync } from 'node:child_process';
      addon.netlinkSubscribe(['address'], () => { throw new Error('listener failed'); });
      execFileSync('ip', ['addr', 'add', '192.0.2.1/32', 'dev', 'lo']);`;
    const child = run('unshare', ['--net', process.execPath, '--input-type=module', '--eval', code]);
    await expect(child).rejects.toThrow('listener failed');
  });

  it.each([
    ['an unknown kind', [['route', 'rule'], listen], 'kind is not one of link, address, route, neighbour'],
    ['no kind', [[], listen], 'kinds is empty'],
    ['kinds that are no list', ['link', listen], 'kinds is not an array'],
    ['no listener', [['link']], 'onRecords is not a function'],
    ['a buffer that is no size', [['link'], listen, { receiveBuffer: -1 }], 'options.receiveBuffer is not'],
  ])('refuses %s', (_, args, message) => {
    expect(() => untyped['netlinkSubscribe']?.(...args)).toThrow(message);
  });
});

describe('netlinkDump', () => {
  it('leaves no descriptor behind', () => {
    const before = count('fd');
    for (let i = 0; i < 1000; i++) addon.netlinkDump('link');
    expect(count('fd')).toBe(before);
  });

  it('refuses a kind and a table that do not exist', () => {
    expect(() => untyped['netlinkDump']?.('rule')).toThrow('kind is not one of link, address, route, neighbour');
    expect(() => untyped['netlinkDump']?.('route', { table: 256 })).toThrow('options.table is more than 255');
  });
});
