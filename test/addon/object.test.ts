// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { ATTACH_TYPE, MAP_FLAG, MAP_TYPE, PROGRAM_TYPE } from '../../src/kernel/constants.ts';
import type { NativeObject } from '../../src/kernel/native-types.ts';
import { TestObject } from '../support/bpf-object.ts';
import { asU32, asU64, kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';
import { atLeast } from '../support/kernel-version.ts';

let sound: TestObject;
let rejected: TestObject;

beforeAll(async () => {
  sound = await TestObject.compile('addon/programs/object.bpf.c');
  rejected = await TestObject.compile('addon/programs/rejected.bpf.c');
});

afterAll(() => {
  sound[Symbol.dispose]();
  rejected[Symbol.dispose]();
});

function openObject(file = sound): NativeObject {
  const object = addon.openObject(file.path);
  onTestFinished(() => {
    object.close();
  });
  return object;
}

const PACKET = new Uint8Array(64);
const verdictOf = (object: NativeObject, program: string): number =>
  object.program(program).testRun({ data: PACKET }).retval;

describe('openObject', () => {
  it('lists maps, sections of variables under their own names among them', () => {
    const maps = openObject().maps();
    expect(maps.map(({ name }) => name)).toEqual(['.bss', '.data', '.rodata', 'numbers', 'words']);
    expect(maps.find(({ name }) => name === 'words')).toEqual({
      name: 'words',
      type: MAP_TYPE.ARRAY,
      keySize: 4,
      valueSize: 8,
      maxEntries: 1024,
      flags: MAP_FLAG.MMAPABLE,
    });
  });

  it('lists programs with what they are to be loaded as', () => {
    expect(openObject().programs()).toEqual([
      { name: 'read_word', section: 'tc', type: PROGRAM_TYPE.SCHED_CLS, expectedAttachType: 0 },
      { name: 'read_variables', section: 'tc', type: PROGRAM_TYPE.SCHED_CLS, expectedAttachType: 0 },
      { name: 'change_packet', section: 'tc', type: PROGRAM_TYPE.SCHED_CLS, expectedAttachType: 0 },
      { name: 'drop_frame', section: 'xdp', type: PROGRAM_TYPE.XDP, expectedAttachType: ATTACH_TYPE.XDP },
    ]);
  });

  it('names the file that is missing, and what is wrong with one that is no object', () => {
    expect(kernelErrorOf(() => addon.openObject('/nowhere/x.o'))).toMatchObject({
      code: 'ENOENT',
      errno: 2,
      op: 'object.open',
      object: '/nowhere/x.o',
      message: 'cannot open object /nowhere/x.o: No such file or directory (ENOENT)',
    });
    const file = path.join(path.dirname(sound.path), 'text.o');
    writeFileSync(file, 'no object at all');
    const error = kernelErrorOf(() => addon.openObject(file));
    expect(error).toMatchObject({ op: 'object.open', object: file });
    expect(error.message).toMatch(/^cannot open object .*text\.o: elf: .*/);
  });
});

describe('setVariable', () => {
  it('gives values to constants, static ones and variables, which programs then see', () => {
    const object = openObject();
    expect(verdictOf(loaded(openObject()), 'read_variables')).toBe(424321);
    object.setVariable('limits', u32(5, 6));
    object.setVariable('secret', u64(7));
    object.setVariable('flag', new Uint8Array([8]));
    object.setVariable('answer', u32(9));
    expect(verdictOf(loaded(object), 'read_variables')).toBe(98765);
  });

  it.each<[string, Uint8Array, string, string]>([
    ['answer', new Uint8Array(3), 'EINVAL', 'value has 3 bytes, variable answer has 4'],
    ['limits', new Uint8Array(9), 'EINVAL', 'value has 9 bytes, variable limits has 8'],
    ['nothing', u32(1), 'ENOENT', 'it has no variable nothing'],
    ['numbers', u32(1), 'ENOENT', 'it has no variable numbers'],
  ])('refuses %s of %o', (name, bytes, code, reason) => {
    const error = kernelErrorOf(() => {
      openObject().setVariable(name, bytes);
    });
    expect(error).toMatchObject({ code, op: 'object.setVariable', object: 'object.bpf.o' });
    expect(error.message).toContain(reason);
  });

  it('comes before load', () => {
    const object = loaded(openObject());
    expect(
      kernelErrorOf(() => {
        object.setVariable('answer', u32(1));
      }).message,
    ).toContain('the object is loaded already');
  });
});

describe('setMaxEntries', () => {
  it('resizes a map before it is made', () => {
    const object = openObject();
    object.setMaxEntries('numbers', 77);
    expect(loaded(object).map('numbers').info().maxEntries).toBe(77);
  });

  it('names the map that the object does not have', () => {
    expect(
      kernelErrorOf(() => {
        openObject().setMaxEntries('nothing', 1);
      }),
    ).toMatchObject({
      code: 'ENOENT',
      op: 'object.setMaxEntries',
      message: 'cannot resize a map of object object.bpf.o: it has no map nothing (ENOENT)',
    });
  });
});

describe('reuseMap', () => {
  it('lets programs work on a map from before', () => {
    const words = makeMap({ name: 'present', type: MAP_TYPE.ARRAY, maxEntries: 1024, flags: MAP_FLAG.MMAPABLE });
    words.update(u32(0), u64(123));
    const object = openObject();
    object.reuseMap('words', words);
    expect(verdictOf(loaded(object), 'read_word')).toBe(123);
    expect(object.map('words').info().id).toBe(words.info().id);
  });

  it('refuses a map that differs, with every difference', () => {
    const other = makeMap({ name: 'present', type: MAP_TYPE.LRU_HASH, keySize: 8, valueSize: 4, maxEntries: 11 });
    const error = kernelErrorOf(() => {
      openObject().reuseMap('numbers', other);
    });
    expect(error).toMatchObject({ code: 'EINVAL', op: 'object.reuseMap', object: 'object.bpf.o' });
    expect(error.message).toContain(
      'map present does not fit: type 9 instead of 1, key size 8 instead of 4, value size 4 instead of 8, max entries 11 instead of 10 (EINVAL)',
    );
    const flagged = makeMap({ maxEntries: 10, flags: MAP_FLAG.NO_PREALLOC });
    expect(
      kernelErrorOf(() => {
        openObject().reuseMap('numbers', flagged);
      }).message,
    ).toContain(': flags 1 instead of 0');
  });

  it('refuses a closed map', () => {
    const closed = makeMap();
    closed.close();
    expect(
      kernelErrorOf(() => {
        openObject().reuseMap('numbers', closed);
      }).code,
    ).toBe('ECLOSED');
  });
});

describe('load', () => {
  it('reports the program, the last useful line and the whole log when the verifier refuses', () => {
    const object = openObject(rejected);
    const error = kernelErrorOf(() => {
      object.load();
    });
    expect(error).toMatchObject({ code: 'EACCES', errno: 13, op: 'object.load', object: 'rejected.bpf.o' });
    expect(error.message).toMatch(
      /^cannot load object rejected\.bpf\.o: program unsound: R\d invalid mem access 'map_value_or_null' \(EACCES\)$/,
    );
    const lines = (error.verifierLog ?? '').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(200);
    expect(lines[0]).toMatch(/^0: R1=ctx|^func#0|^; int unsound|^reg type unsupported/);
    expect(lines.at(-1)).toMatch(/^processed \d+ insns/);
    expect(lines.some((line) => line.includes("invalid mem access 'map_value_or_null'"))).toBe(true);
  });

  it('names the map that cannot be made', () => {
    const object = openObject();
    object.setMaxEntries('numbers', 0);
    const error = kernelErrorOf(() => {
      object.load();
    });
    expect(error).toMatchObject({ code: 'EINVAL', op: 'map.create', object: 'numbers', verifierLog: undefined });
    expect(error.message).toBe('cannot create map numbers: Invalid argument (EINVAL)');
  });

  it('says nothing on the terminal, where libbpf would write past the log', () => {
    const source = new URL('../../src/kernel/addon.ts', import.meta.url).href;
    const code = `import { addon } from '${source}';
      try { addon.openObject(process.argv[1]).load(); } catch (error) { console.log(error.code); }`;
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', code, rejected.path]);
    expect([child.stdout.toString(), child.stderr.toString()]).toEqual(['EACCES\n', '']);
  });

  it('leaves out programs that are not to be loaded', () => {
    const object = openObject(rejected);
    object.setAutoload('unsound', false);
    object.load();
    expect(verdictOf(object, 'sound')).toBe(0);
    expect(kernelErrorOf(() => object.program('unsound')).message).toBe(
      'cannot take a program from object rejected.bpf.o: program unsound was not to be loaded (EINVAL)',
    );
  });

  it('counts, when asked, what the verifier has gone through for each program that is loaded', () => {
    const object = openObject(rejected);
    object.setAutoload('unsound', false);
    const counts = object.load(true);
    expect(Object.keys(counts)).toEqual(['sound']);
    const { verifiedInstructions } = object.program('sound').info();
    if (atLeast('5.16')) expect(counts['sound']).toBe(verifiedInstructions);
    expect(counts['sound']).toBeGreaterThan(0);
  });

  it('is done once, whatever came of it', () => {
    const good = loaded(openObject());
    expect(
      kernelErrorOf(() => {
        good.load();
      }).message,
    ).toContain('the object is loaded already');
    const bad = openObject(rejected);
    expect(() => {
      bad.load();
    }).toThrow();
    expect(
      kernelErrorOf(() => {
        bad.load();
      }).message,
    ).toContain('loading has failed; open the object again');
    expect(kernelErrorOf(() => bad.map('table')).message).toContain('loading the object has failed');
  });
});

describe('what an object hands out', () => {
  it('outlives the object', () => {
    const object = loaded(openObject());
    const program = object.program('read_word');
    const words = object.map('words');
    object.close();
    words.update(u32(0), u64(5));
    expect(program.testRun({ data: PACKET }).retval).toBe(5);
    program.close();
    expect(asU64(words.lookup(u32(0)))).toEqual([5n]);
    words.close();
  });

  it('includes the variables as maps', () => {
    const object = loaded(openObject());
    verdictOf(object, 'read_variables');
    expect(asU64(object.map('.bss').lookup(u32(0)))).toEqual([64n]);
    expect(asU32(object.map('.data').lookup(u32(0)))).toEqual([42]);
  });

  it('is there only after load, and only under names of the object', () => {
    const object = openObject();
    expect(kernelErrorOf(() => object.map('words')).message).toContain('the object is not loaded');
    expect(kernelErrorOf(() => object.program('read_word')).message).toContain('the object is not loaded');
    object.load();
    expect(kernelErrorOf(() => object.map('nothing'))).toMatchObject({ code: 'ENOENT', op: 'object.map' });
    expect(kernelErrorOf(() => object.program('nothing'))).toMatchObject({ code: 'ENOENT', op: 'object.program' });
  });
});

describe('close', () => {
  it('may come twice; everything else is refused with ECLOSED', () => {
    const object = openObject();
    object.close();
    object.close();
    const calls: [string, () => unknown][] = [
      ['object.maps', () => object.maps()],
      ['object.programs', () => object.programs()],
      [
        'object.setVariable',
        () => {
          object.setVariable('answer', u32(1));
        },
      ],
      [
        'object.setMaxEntries',
        () => {
          object.setMaxEntries('words', 1);
        },
      ],
      [
        'object.reuseMap',
        () => {
          object.reuseMap('words', makeMap());
        },
      ],
      [
        'object.setAutoload',
        () => {
          object.setAutoload('read_word', false);
        },
      ],
      [
        'object.load',
        () => {
          object.load();
        },
      ],
      ['object.map', () => object.map('words')],
      ['object.program', () => object.program('read_word')],
    ];
    for (const [op, call] of calls) {
      const error = kernelErrorOf(call);
      expect([error.op, error.code, error.object]).toEqual([op, 'ECLOSED', 'object.bpf.o']);
    }
  });
});

function loaded(object: NativeObject): NativeObject {
  object.load();
  return object;
}
