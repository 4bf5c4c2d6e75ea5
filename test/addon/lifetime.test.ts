// SPDX-License-Identifier: Apache-2.0
// Descriptors, mappings and environments: nothing is left when it is closed, forgotten, or goes down with its thread.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { ATTACH_TYPE } from '../../src/kernel/constants.ts';
import { TestObject } from '../support/bpf-object.ts';
import { run } from '../support/command.ts';
import { addonWorker, bpfDescriptors, bpfMappings, descriptors, exitOf, makeMap } from '../support/kernel.ts';
import { cgroupMount, claimPrefix, makeCgroup, removeEverything, scratchDirectory } from '../support/leftovers.ts';

const O_CLOEXEC = 0o2000000;
const ROUNDS = 10_000;

let file: TestObject;
let attachments: TestObject;
let ring: TestObject;

beforeAll(async () => {
  file = await TestObject.compile('addon/programs/object.bpf.c');
  attachments = await TestObject.compile('addon/programs/attach.bpf.c');
  ring = await TestObject.compile('addon/programs/ring.bpf.c');
});

afterAll(() => {
  for (const object of [file, attachments, ring]) object[Symbol.dispose]();
});

/** A cgroup and a BPF file system of the test's own. */
function makePlace(): { cgroup: string; bpffs: string } {
  const prefix = claimPrefix();
  onTestFinished(() => {
    removeEverything(prefix);
  });
  const bpffs = path.join(scratchDirectory(prefix), 'bpf');
  mkdirSync(bpffs, { recursive: true });
  addon.mountBpffs(bpffs);
  return { cgroup: makeCgroup(path.join(cgroupMount(), `${prefix}-lifetime`)), bpffs };
}

/**
 * How many descriptors there are more after `rounds` than before. Nothing else of this process runs meanwhile but the
 * collector: this file leaves no handle to it.
 */
function growth(rounds: number, round: (i: number) => void): number {
  round(0);
  const before = descriptors().size;
  for (let i = 1; i <= rounds; i++) round(i);
  return descriptors().size - before;
}

function failing(call: () => unknown): void {
  try {
    call();
  } catch {
    return;
  }
  throw new Error('it did not fail');
}

describe(`${ROUNDS} rounds of open and close leave the number of descriptors where it was:`, () => {
  it('maps', () => {
    const { bpffs } = makePlace();
    const map = makeMap({ type: 2, flags: 1024 });
    const { id } = map.info();
    map.pin(path.join(bpffs, 'map'));
    const left = growth(ROUNDS, () => {
      const [byId, byPin] = [addon.openMapById(id), addon.openPinnedMap(path.join(bpffs, 'map'))];
      byId.munmap(byId.mmap(0, 4096));
      byId.close();
      byPin.close();
    });
    expect(left).toBe(0);
    expect(bpfMappings()).toBe(0);
  });

  it('new maps', () => {
    const spec = { type: 2, name: 'short', keySize: 4, valueSize: 4, maxEntries: 1, flags: 0 };
    expect(
      growth(ROUNDS, () => {
        addon.createMap(spec).close();
      }),
    ).toBe(0);
  });

  it('objects', () => {
    expect(
      growth(ROUNDS, () => {
        addon.openObject(file.path).close();
      }),
    ).toBe(0);
  });

  it('programs', () => {
    const object = addon.openObject(file.path);
    object.load();
    const program = object.program('read_word');
    const { id } = program.info();
    const left = growth(ROUNDS, () => {
      object.program('read_word').close();
      addon.openProgramById(id).close();
    });
    program.close();
    object.close();
    expect(left).toBe(0);
  });

  it('ring buffers', () => {
    const object = addon.openObject(ring.path);
    object.load();
    const events = object.map('events');
    const left = growth(ROUNDS, () => {
      addon.openRingBuffer(events, () => undefined).close();
    });
    events.close();
    object.close();
    expect(left).toBe(0);
  });

  it('calls that fail', () => {
    const { bpffs, cgroup } = makePlace();
    const map = makeMap();
    map.pin(path.join(bpffs, 'map'));
    const text = path.join(path.dirname(file.path), 'text.o');
    writeFileSync(text, 'no object');
    const object = addon.openObject(attachments.path);
    object.load();
    const program = object.program('allow');
    const left = growth(ROUNDS, () => {
      failing(() => addon.openPinnedProgram(path.join(bpffs, 'map')));
      failing(() => addon.openObject(text));
      failing(() => addon.attachCgroup(program, cgroup, ATTACH_TYPE.XDP));
      failing(() => addon.openRingBuffer(map, () => undefined));
    });
    program.close();
    object.close();
    expect(left).toBe(0);
  });
});

describe('an object that was loaded', () => {
  it('leaves no descriptor when it is closed, nor when its load has failed', async () => {
    using rejected = await TestObject.compile('addon/programs/rejected.bpf.c');
    const left = growth(100, () => {
      const object = addon.openObject(file.path);
      object.load();
      for (const { name } of object.maps()) object.map(name).close();
      object.close();
      const bad = addon.openObject(rejected.path);
      failing(() => {
        bad.load();
      });
      bad.close();
    });
    expect(left).toBe(0);
  });
});

describe('links', () => {
  it('leave no descriptor when they are closed', () => {
    const { cgroup, bpffs } = makePlace();
    const object = addon.openObject(attachments.path);
    object.load();
    const program = object.program('allow');
    const left = growth(100, (i) => {
      const pin = path.join(bpffs, `link${i}`);
      const link = addon.attachCgroup(program, cgroup, ATTACH_TYPE.CGROUP_INET4_CONNECT);
      link.pin(pin);
      link.detach();
      link.close();
      addon.openPinnedLink(pin).close();
      addon.queryCgroup(cgroup, ATTACH_TYPE.CGROUP_INET4_CONNECT);
    });
    expect(left).toBe(0);
    program.close();
    object.close();
  });
});

describe('every descriptor', () => {
  it('is closed in the programs that this process starts', () => {
    const { cgroup, bpffs } = makePlace();
    const before = new Set(descriptors().keys());
    const object = addon.openObject(attachments.path);
    object.load();
    const program = object.program('allow');
    const map = object.map('packets');
    const link = addon.attachCgroup(program, cgroup, ATTACH_TYPE.CGROUP_INET4_CONNECT);
    link.pin(path.join(bpffs, 'link'));
    map.pin(path.join(bpffs, 'map'));
    program.pin(path.join(bpffs, 'program'));
    const events = addon.openObject(ring.path);
    events.load();
    const eventsMap = events.map('events');
    const handles = [
      eventsMap,
      object,
      program,
      map,
      link,
      events,
      addon.openPinnedLink(path.join(bpffs, 'link')),
      addon.openPinnedMap(path.join(bpffs, 'map')),
      addon.openPinnedProgram(path.join(bpffs, 'program')),
      addon.openMapById(map.info().id),
      addon.openProgramById(program.info().id),
      addon.openRingBuffer(eventsMap, () => undefined),
      makeMap(),
    ];
    const opened = [...descriptors()].filter(([fd]) => !before.has(fd));
    expect(opened.length).toBeGreaterThan(handles.length);
    const inherited = opened.filter(([fd]) => (flagsOf(fd) & O_CLOEXEC) === 0);
    for (const handle of handles) handle.close();
    expect(inherited).toEqual([]);
  });

  const flagsOf = (fd: number): number =>
    parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '', 8);
});

describe('what nobody closes', () => {
  it('goes when it is collected: descriptors, objects and mappings', async () => {
    const program = fileURLToPath(new URL('programs/lifetime.ts', import.meta.url));
    const counts = JSON.parse(await run(process.execPath, ['--expose-gc', program, file.path])) as {
      before: [number, number];
      during: [number, number];
      after: [number, number];
    };
    expect(counts.before).toEqual([0, 0]);
    expect(counts.during[0]).toBeGreaterThan(400);
    expect(counts.during[1]).toBeGreaterThanOrEqual(200);
    expect(counts.after).toEqual([0, 0]);
  });

  it.each(['ends', 'is terminated'])('goes with its worker when that %s', async (how) => {
    const { cgroup } = makePlace();
    const [before, mapped] = [bpfDescriptors().size, bpfMappings()];
    const worker = addonWorker(
      `const object = addon.openObject(workerData.path);
       object.load();
       globalThis.kept = [object];
       for (let i = 0; i < 20; i++) {
         const map = object.map('packets');
         const program = object.program('allow');
         kept.push(map, program, addon.createMap({ type: 2, name: 'm', keySize: 4, valueSize: 8, maxEntries: 512, flags: 1024 }));
         kept.push(kept.at(-1).mmap(0, 4096));
       }
       kept.push(addon.attachCgroup(kept[2], workerData.cgroup, ${ATTACH_TYPE.CGROUP_INET4_CONNECT}));
       parentPort.postMessage('held');
       if (!workerData.ends) setInterval(() => undefined, 1000);`,
      { path: attachments.path, cgroup, ends: how === 'ends' },
    );
    const exit = exitOf(worker);
    await new Promise((resolve) => worker.once('message', resolve));
    if (how === 'is terminated') {
      expect(bpfDescriptors().size).toBeGreaterThan(before + 60);
      expect(bpfMappings()).toBe(mapped + 20);
      await worker.terminate();
    }
    await exit;
    expect(bpfDescriptors().size).toBe(before);
    expect(bpfMappings()).toBe(mapped);
    expect(addon.queryCgroup(cgroup, ATTACH_TYPE.CGROUP_INET4_CONNECT)).toEqual([]);
  });
});
