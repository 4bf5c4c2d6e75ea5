// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import type { NativeMap, NativeObject, NativeRingBuffer } from '../../src/kernel/native-types.ts';
import { TestObject } from '../support/bpf-object.ts';
import { addonWorker, asU64, exitOf, kernelErrorOf, makeMap, threads, u32 } from '../support/kernel.ts';
import { waitFor } from '../support/wait.ts';

const SMALL = 13;
const LARGE = 32_768;
const THREAD = 'bpfsvc-ring';

let file: TestObject;
let object: NativeObject;
let events: NativeMap;
let readers: NativeRingBuffer[];
let received: Uint8Array[];

beforeAll(async () => {
  file = await TestObject.compile('addon/programs/ring.bpf.c');
});

afterAll(() => {
  file[Symbol.dispose]();
});

beforeEach(() => {
  object = addon.openObject(file.path);
  object.load();
  events = object.map('events');
  readers = [];
  received = [];
});

afterEach(() => {
  for (const reader of readers) reader.close();
  events.close();
  object.close();
});

function open(onRecords = (records: Uint8Array[]): void => void received.push(...records)): NativeRingBuffer {
  const reader = addon.openRingBuffer(events, onRecords);
  readers.push(reader);
  return reader;
}

/** The event loop stands still meanwhile; the reader's thread does not. */
function emit(program: 'emit_small' | 'emit_large', count: number): void {
  object.program(program).testRun({ data: new Uint8Array(64), repeat: count });
}

/** What went into the ring, and what found no room there. */
function counters(): { written: number; refused: number } {
  const bss = object.map('.bss');
  const [written = 0n, refused = 0n] = asU64(bss.lookup(u32(0)));
  bss.close();
  return { written: Number(written), refused: Number(refused) };
}

const numbers = (): number[] => received.map((record) => Number(asU64(record.subarray(0, 8))[0]));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('openRingBuffer', () => {
  it('brings every record, whole and in order', async () => {
    open();
    emit('emit_small', 1000);
    await waitFor('all records', () => received.length === 1000);
    expect(numbers()).toEqual(upTo(1000));
    expect(received.every((record) => record.length === SMALL && record[SMALL - 1] === 0x7f)).toBe(true);
    expect(received.every((record) => record.byteOffset % 8 === 0)).toBe(true);
  });

  it('brings what was in the ring before it was opened, and what comes later', async () => {
    emit('emit_small', 3);
    open();
    await waitFor('the first records', () => received.length === 3);
    emit('emit_small', 2);
    await waitFor('the later records', () => received.length === 5);
    expect(numbers()).toEqual(upTo(5));
  });

  it('gathers what comes while the event loop is busy into few calls', async () => {
    let calls = 0;
    open((records) => {
      calls++;
      received.push(...records);
    });
    for (let i = 0; i < 100; i++) emit('emit_small', 1);
    await waitFor('all records', () => received.length === 100);
    expect(calls).toBeLessThan(10);
  });

  it('gives records that stay as they are when others follow', async () => {
    open();
    emit('emit_small', 1);
    await waitFor('the first record', () => received.length === 1);
    const first = received[0]?.slice();
    emit('emit_large', 100);
    await waitFor('more records', () => received.length > 30);
    expect(received[0]).toEqual(first);
  });

  it('counts what is lost when the event loop takes too long, and keeps what came first', async () => {
    const batches: number[] = [];
    const reader = open((records) => {
      batches.push(records.length);
      received.push(...records);
    });
    while (reader.dropped() === 0) emit('emit_large', 8);
    const { written } = counters();
    await waitFor('the rest', () => received.length + reader.dropped() === written);
    const [first = 0] = batches;
    expect(first).toBe((4 << 20) / LARGE);
    expect(numbers().slice(0, first)).toEqual(upTo(first));
    // It has room again.
    const [dropped, before] = [reader.dropped(), received.length];
    emit('emit_small', 1);
    await waitFor('one more', () => received.length === before + 1);
    expect(reader.dropped()).toBe(dropped);
  });

  it('reads on when the map is closed', async () => {
    open();
    events.close();
    emit('emit_small', 5);
    await waitFor('the records', () => received.length === 5);
  });

  it('refuses another type of map, a closed map, what is no map and what cannot be called', () => {
    expect(kernelErrorOf(() => addon.openRingBuffer(makeMap(), () => undefined))).toMatchObject({
      code: 'EINVAL',
      op: 'ringbuf.open',
      object: 'numbers',
      message: 'cannot read ring buffer numbers: the map is of another type (EINVAL)',
    });
    expect(kernelErrorOf(() => addon.openRingBuffer({} as NativeMap, () => undefined)).message).toContain(
      'map is not a map',
    );
    expect(kernelErrorOf(() => addon.openRingBuffer(events, 1 as never)).message).toContain(
      'onRecords is not a function',
    );
    events.close();
    expect(kernelErrorOf(() => addon.openRingBuffer(events, () => undefined)).code).toBe('ECLOSED');
  });
});

describe('close', () => {
  it('makes no call afterwards, for records that are under way neither; they count as dropped', async () => {
    const reader = open();
    emit('emit_small', 100);
    // The thread has seen some of them when its queue has been filled behind the loop's back.
    while (reader.dropped() === 0) emit('emit_large', 8);
    const before = reader.dropped();
    reader.close();
    expect(reader.dropped()).toBeGreaterThan(before + 100);
    emit('emit_small', 10);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(received).toEqual([]);
  });

  it('may come twice, and from within the call', async () => {
    const seen = new Promise<number>((resolve) => {
      const reader = open((records) => {
        reader.close();
        resolve(records.length);
      });
    });
    emit('emit_small', 1);
    expect(await seen).toBeGreaterThan(0);
    for (const reader of readers) {
      reader.close();
      reader.close();
    }
  });

  it('ends the thread at once', async () => {
    const reader = open();
    await waitFor('the thread', () => threads(THREAD) === 1);
    reader.close();
    expect(threads(THREAD)).toBe(0);
  });

  it('leaves the records that nobody has read to the next reader', async () => {
    open().close();
    emit('emit_small', 4);
    open();
    await waitFor('the records', () => received.length === 4);
  });
});

describe('an environment with an open ring buffer', () => {
  it('stays until the ring is closed, and then ends by itself', () => {
    const source = new URL('../../src/kernel/addon.ts', import.meta.url).href;
    const code = `import { addon } from '${source}';
      const object = addon.openObject(process.argv[1]);
      object.load();
      const reader = addon.openRingBuffer(object.map('events'), (records) => {
        console.log(records.length);
        reader.close();
      });
      object.program('emit_small').testRun({ data: new Uint8Array(64) });`;
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', code, file.path], { timeout: 60_000 });
    expect([child.status, child.stdout.toString(), child.stderr.toString()]).toEqual([0, '1\n', '']);
  });

  it('hears of what the callback throws as of any other uncaught error', () => {
    const source = new URL('../../src/kernel/addon.ts', import.meta.url).href;
    const code = `import { addon } from '${source}';
      const object = addon.openObject(process.argv[1]);
      object.load();
      addon.openRingBuffer(object.map('events'), () => { throw new Error('thrown by the callback'); });
      process.on('uncaughtException', ({ message }) => { console.log(message); process.exit(3); });
      object.program('emit_small').testRun({ data: new Uint8Array(64) });`;
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', code, file.path], { timeout: 60_000 });
    expect([child.status, child.stdout.toString()]).toEqual([3, 'thrown by the callback\n']);
  });

  it.each(['exits', 'is terminated'])('gives up the threads when it %s with records under way', async (how) => {
    const worker = addonWorker(
      `const object = addon.openObject(workerData.path);
       object.load();
       const program = object.program('emit_small');
       const emit = () => program.testRun({ data: new Uint8Array(64), repeat: 1000 });
       const onRecords = () => {
         parentPort.postMessage('records');
         emit();
         if (workerData.exits) process.exit(0);
       };
       for (let i = 0; i < 4; i++) addon.openRingBuffer(object.map('events'), onRecords);
       emit();`,
      { path: file.path, exits: how === 'exits' },
    );
    const exit = exitOf(worker);
    if (how === 'is terminated') {
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
    }
    expect(await exit).toBe(how === 'exits' ? 0 : 1);
    expect(threads(THREAD)).toBe(0);
  });
});
