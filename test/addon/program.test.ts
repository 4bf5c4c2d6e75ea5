// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { PROGRAM_TYPE } from '../../src/kernel/constants.ts';
import type { NativeObject, NativeProgram } from '../../src/kernel/native-types.ts';
import { TestObject } from '../support/bpf-object.ts';
import { run } from '../support/command.ts';
import { kernelErrorOf, u32, u64 } from '../support/kernel.ts';
import { atLeast } from '../support/kernel-version.ts';

/** struct __sk_buff; the mark is its third word. The kernel gives back as much as it knows of it. */
const CONTEXT_SIZE = 192;
const KNOWN_SIZE = atLeast('5.16') ? CONTEXT_SIZE : 184;
const MARK = 2;

let file: TestObject;
let object: NativeObject;

beforeAll(async () => {
  file = await TestObject.compile('addon/programs/object.bpf.c');
  object = addon.openObject(file.path);
  object.load();
});

afterAll(() => {
  object.close();
  file[Symbol.dispose]();
});

function contextWith(mark: number): Uint8Array {
  const words = new Uint32Array(CONTEXT_SIZE / 4);
  words[MARK] = mark;
  return new Uint8Array(words.buffer);
}

const markOf = (context: Uint8Array): number | undefined => new Uint32Array(context.slice().buffer)[MARK];

describe('testRun', () => {
  it('hands in a packet and a context, and gives back what became of them', () => {
    const data = new Uint8Array(60).map((_, i) => i);
    const result = object.program('change_packet').testRun({ data, context: contextWith(41) });
    expect(result.retval).toBe(0);
    expect(result.data).toEqual(new Uint8Array([0xee, ...data.subarray(1), 0, 0, 0, 0]));
    expect(result.context).toHaveLength(KNOWN_SIZE);
    expect(markOf(result.context)).toBe(42);
    expect(data[0]).toBe(0);
  });

  it('runs as often as asked, and tells how long one run took', () => {
    const program = object.program('drop_frame');
    const result = program.testRun({ data: new Uint8Array(64), repeat: 1000 });
    expect(result).toMatchObject({ retval: 1, data: new Uint8Array(64), context: new Uint8Array(0) });
    expect(Number.isInteger(result.durationNs)).toBe(true);
  });

  it('lets a program see what was stored through mmap, with no call in between', () => {
    const program = object.program('read_word');
    const words = new BigUint64Array(object.map('words').mmap(0, 8192));
    for (const [index, value] of [
      [0, 1n],
      [1, 0xffff_ffff_0000_0002n],
      [1023, 3n],
    ] as const) {
      Atomics.store(words, index, value);
      const { retval } = program.testRun({ data: new Uint8Array(64), context: contextWith(index) });
      expect(BigInt(retval)).toBe(value & 0xffff_ffffn);
    }
  });

  it('says how much room the packet would have needed', () => {
    const error = kernelErrorOf(() =>
      object.program('change_packet').testRun({ data: new Uint8Array(60), dataOutSize: 61 }),
    );
    expect(error).toMatchObject({ code: 'ENOSPC', op: 'program.testRun', object: 'change_packet' });
    expect(error.message).toBe(
      'cannot test-run program change_packet: the packet it leaves has 64 bytes, dataOutSize is 61 (ENOSPC)',
    );
  });

  it('reports what the kernel does not accept as a packet', () => {
    const error = kernelErrorOf(() => object.program('read_word').testRun({ data: new Uint8Array(1) }));
    expect(error).toMatchObject({ code: 'EINVAL', errno: 22, object: 'read_word' });
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'request is not an object'],
    ['no data', {}, 'data is not a Uint8Array'],
    ['a context that is no bytes', { data: new Uint8Array(64), context: 'x' }, 'context is not a Uint8Array'],
    ['a broken count', { data: new Uint8Array(64), repeat: 0.5 }, 'repeat is not an integer'],
    ['too much room', { data: new Uint8Array(64), dataOutSize: 2 ** 21 }, 'dataOutSize is above 1048576'],
  ])('refuses %s', (_, request, reason) => {
    const program = object.program('drop_frame');
    const error = kernelErrorOf(() => program.testRun(request as Parameters<NativeProgram['testRun']>[0]));
    expect(error).toMatchObject({ code: 'EINVAL', op: 'program.testRun' });
    expect(error.message).toContain(reason);
  });
});

describe('info', () => {
  it('tells what bpftool tells', async () => {
    const info = object.program('read_word').info();
    const shown = JSON.parse(await run('bpftool', ['-j', 'prog', 'show', 'id', String(info.id)])) as {
      name: string;
      tag: string;
      loaded_at: number;
      map_ids: number[];
    };
    expect(info).toMatchObject({
      name: shown.name,
      type: PROGRAM_TYPE.SCHED_CLS,
      tag: shown.tag,
      mapIds: shown.map_ids,
      runCount: 0n,
      runTimeNs: 0n,
    });
    expect(info.mapIds).toContain(object.map('words').info().id);
    expect(info.verifiedInstructions > 0).toBe(atLeast('5.16'));
    // bpftool knows whole seconds, and takes the boot time anew each time.
    expect(Math.abs(info.loadedAt / 1000 - shown.loaded_at)).toBeLessThan(2);
  });

  it('is there for a program by its id, which has the name that the kernel keeps', () => {
    const { id } = object.program('read_variables').info();
    const again = addon.openProgramById(id);
    expect(again.info()).toMatchObject({ id, name: 'read_variables' });
    again.close();
    expect(kernelErrorOf(() => addon.openProgramById(2 ** 31))).toMatchObject({
      code: 'ENOENT',
      op: 'program.openById',
      object: 'id 2147483648',
    });
  });
});

describe('close', () => {
  it('may come twice; everything else is refused with ECLOSED', () => {
    const program = object.program('read_word');
    program.close();
    program.close();
    const calls: [string, () => unknown][] = [
      ['program.fd', () => program.fd],
      ['program.info', () => program.info()],
      ['program.testRun', () => program.testRun({ data: new Uint8Array(64) })],
      [
        'program.pin',
        () => {
          program.pin('/x');
        },
      ],
    ];
    for (const [op, call] of calls) {
      const error = kernelErrorOf(call);
      expect([error.op, error.code, error.object]).toEqual([op, 'ECLOSED', 'read_word']);
    }
  });

  it('of one handle leaves the others alone', () => {
    const [one, other] = [object.program('read_word'), object.program('read_word')];
    one.close();
    object.map('words').update(u32(0), u64(8));
    expect(other.testRun({ data: new Uint8Array(64) }).retval).toBe(8);
  });
});
