// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { KernelError } from '../../src/kernel/errors.ts';
import { isBpffs } from '../../src/kernel/mounts.ts';
import { TestObject } from '../support/bpf-object.ts';
import { Namespace } from '../support/namespace.ts';
import { waitFor } from '../support/wait.ts';
import { atLeast } from '../support/kernel-version.ts';

const ADDON = new URL('../../src/kernel/addon.ts', import.meta.url).href;

function workerOf(code: string, workerData?: unknown): Worker {
  const source = `import { addon } from '${ADDON}'; import { parentPort, workerData } from 'node:worker_threads'; ${code}`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData });
}

const ended = (worker: Worker): Promise<number> =>
  new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));

function scratchDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-sys-'));
  onTestFinished(() => {
    spawnSync('umount', ['--quiet', directory]);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** The error of a call that must fail. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

describe('rcuBarrier', () => {
  it('resolves when a program that was running has ended', async () => {
    using object = await TestObject.compile('addon/programs/slow.bpf.c');
    const worker = workerOf(
      `const object = addon.openObject(workerData);
       object.load();
       parentPort.postMessage(object.map('progress').info().id);
       for (;;) object.program('slow').testRun({ data: new Uint8Array(64) });`,
      object.path,
    );
    const id = await new Promise<number>((resolve, reject) => worker.on('message', resolve).on('error', reject));
    const map = addon.openMapById(id);
    const progress = (): Uint32Array => new Uint32Array(map.lookup(new Uint8Array(4))?.slice().buffer ?? []);
    let running = 0;
    const isRunning = (): boolean => {
      const [started = 0, finished = 0] = progress();
      running = started;
      return started > finished;
    };
    await waitFor('a program to run', isRunning, { intervalMs: 1 });
    await addon.rcuBarrier();
    expect(progress()[1]).toBeGreaterThanOrEqual(running);
    map.close();
    await worker.terminate();
  });

  it('leaves no descriptor behind', async () => {
    await addon.rcuBarrier();
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 10; i++) await addon.rcuBarrier();
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });

  it('does not hurt a worker that ends meanwhile', async () => {
    const worker = workerOf('void addon.rcuBarrier(); setImmediate(() => process.exit(0));');
    expect(await ended(worker)).toBe(0);
  });
});

describe('netnsCookie', () => {
  it("is the same for this process's namespace by any way, and another one elsewhere, where the kernel tells it", async () => {
    using namespace = await Namespace.create();
    const own = addon.netnsCookie();
    expect(addon.netnsCookie('/proc/self/ns/net')).toBe(own);
    const other = addon.netnsCookie(namespace.path);
    expect(addon.netnsCookie(namespace.path)).toBe(other);
    expect([own === undefined, own === other]).toEqual(atLeast('5.14') ? [false, false] : [true, true]);
  });

  it('leaves every thread in its namespace, and no descriptor or thread behind', async () => {
    using namespace = await Namespace.create();
    const namespaces = (): string[] =>
      readdirSync('/proc/self/task').map((task) => readlinkSync(`/proc/self/task/${task}/ns/net`));
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const [spacesBefore, descriptorsBefore] = [namespaces(), descriptors()];
    for (let i = 0; i < 100; i++) addon.netnsCookie(namespace.path);
    const spaces = namespaces();
    expect(new Set(spaces)).toEqual(new Set(spacesBefore));
    expect(descriptors()).toBe(descriptorsBefore);
    // Node starts threads of its own when it likes; one left behind by each call would be a hundred.
    expect(spaces.length).toBeLessThan(spacesBefore.length + 50);
  });

  it('names the path that is missing or no network namespace', () => {
    const missing = errorOf(() => addon.netnsCookie('/run/netns/bpfsvc-none'));
    expect(missing).toBeInstanceOf(KernelError);
    expect(missing).toMatchObject({ code: 'ENOENT', op: 'sys.netnsCookie', object: '/run/netns/bpfsvc-none' });
    expect(errorOf(() => addon.netnsCookie('/proc/self/ns/mnt'))).toMatchObject({ code: 'EINVAL' });
  });
});

describe('flock', () => {
  it('gives an exclusive lock to one descriptor at a time, and shared ones to several', () => {
    const directory = scratchDirectory();
    const [first, second] = [openSync(directory, 'r'), openSync(directory, 'r')];
    expect(addon.flock(first, true)).toBe(true);
    expect(addon.flock(second, true)).toBe(false);
    expect(addon.flock(second, false)).toBe(false);
    closeSync(first);
    expect(addon.flock(second, false)).toBe(true);
    const third = openSync(directory, 'r');
    expect(addon.flock(third, false)).toBe(true);
    expect(addon.flock(third, true)).toBe(false);
    closeSync(second);
    closeSync(third);
  });

  it('refuses what is no descriptor', () => {
    expect(errorOf(() => addon.flock(0x7fffffff, true))).toMatchObject({ code: 'EBADF', op: 'sys.flock' });
    expect(errorOf(() => addon.flock(-1, true))).toMatchObject({ code: 'EINVAL' });
  });
});

describe('mountBpffs', () => {
  it('makes a directory a BPF file system, of root alone', () => {
    const directory = scratchDirectory();
    expect(isBpffs(directory)).toBe(false);
    addon.mountBpffs(directory);
    expect(isBpffs(directory)).toBe(true);
    const { stdout } = spawnSync('findmnt', ['--noheadings', '--output', 'OPTIONS', directory], { encoding: 'utf8' });
    expect(stdout.trim().split(',')).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec', 'mode=700']));
  });

  it('names the directory that is not there', () => {
    const error = errorOf(() => {
      addon.mountBpffs('/nowhere/bpfsvc');
    });
    expect(error).toMatchObject({ code: 'ENOENT', op: 'sys.mountBpffs', object: '/nowhere/bpfsvc' });
  });
});
