// SPDX-License-Identifier: Apache-2.0
// What the addon reads out of an object's BTF, without root and without loading it.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { run } from '../support/command.ts';
import { layoutOf, withObject } from './support.ts';

describe('objectLayout', () => {
  it('keeps typedef names, offsets, lengths and tags of fields', async () => {
    const layout = await layoutOf('struct row { __be16 port; __u16 n; __u8 addr[16] ADDR TAG("doc:x"); } keep = {};');
    expect(layout.structs.find(({ name }) => name === 'row')).toEqual({
      name: 'row',
      union: false,
      size: 20,
      tags: [],
      fields: [
        { name: 'port', offset: 0, size: 2, kind: 'int', type: 'unsigned short', typedef: '__be16', tags: [] },
        { name: 'n', offset: 2, size: 2, kind: 'int', type: 'unsigned short', typedef: '__u16', tags: [] },
        {
          name: 'addr',
          offset: 4,
          size: 16,
          kind: 'int',
          type: 'unsigned char',
          typedef: '__u8',
          arrayLength: 16,
          tags: expect.arrayContaining(['address', 'doc:x']) as string[],
        },
      ],
    });
  });

  it('tells bit-fields, bools, pointers, unions and enums apart', async () => {
    const fields = 'int b : 3; _Bool o; void *p; union { int x; } u; enum e { E } e; char a[2][3]; struct fwd *f;';
    const layout = await layoutOf(`struct row { ${fields} } keep = {};`);
    const row = layout.structs.find(({ name }) => name === 'row');
    expect(row?.fields.map(({ name, kind, type, bits }) => [name, kind, type, bits])).toEqual([
      ['b', 'int', 'int', 3],
      ['o', 'bool', '_Bool', undefined],
      ['p', 'pointer', 'pointer', undefined],
      ['u', 'union', 'union', undefined],
      ['e', 'enum', 'enum e', undefined],
      ['a', 'array', 'array', undefined],
      ['f', 'pointer', 'pointer', undefined],
    ]);
  });

  it('reads enumerators with their sign and full width', async () => {
    const layout = await layoutOf(
      'enum small { A = -1, B = 2 } a; enum large { C = 0xffffffff } c; enum huge { D = 0x100000000 } d;',
    );
    const values = Object.fromEntries(layout.enums.map((found) => [found.name, found.values]));
    expect(values).toMatchObject({
      small: [
        ['A', -1],
        ['B', 2],
      ],
      large: [['C', 0xffffffff]],
      huge: [['D', 0x1_0000_0000]],
    });
  });

  it('reads maps by type or by size, and maps in maps', async () => {
    const layout = await layoutOf(`
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 64); };
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2); __type(key, __u32);
  __array(values, struct inner); } outer SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(map_flags, BPF_F_NO_COMMON_LRU); __uint(max_entries, 3);
  __type(key, struct ethhdr_like { __u64 x; }); __type(value, __u8[6]); } rows SEC(".maps") TAG("doc:one row");`);
    expect(layout.maps.find(({ name }) => name === 'outer')).toEqual({
      name: 'outer',
      type: 12,
      typeName: 'array_of_maps',
      keySize: 4,
      keyType: '__u32',
      valueSize: 4,
      maxEntries: 2,
      flags: 0,
      tags: [],
      inner: { type: 2, typeName: 'array', keySize: 4, valueSize: 64, maxEntries: 8, flags: 0 },
    });
    expect(layout.maps.find(({ name }) => name === 'rows')).toEqual({
      name: 'rows',
      type: 9,
      typeName: 'lru_hash',
      keySize: 8,
      keyType: 'struct ethhdr_like',
      valueSize: 6,
      valueType: '__u8[6]',
      maxEntries: 3,
      flags: 2,
      tags: ['doc:one row'],
    });
  });

  it('reads variables with their sections', async () => {
    const layout = await layoutOf('const volatile __be16 cfg_port TAG("doc:p") = 1; __u64 counter = 1; __u64 zero;');
    const found = layout.variables.filter(({ name }) => name !== 'fixture');
    expect(found.map(({ name, section, size, typedef }) => [name, section, size, typedef]).sort()).toEqual([
      ['cfg_port', '.rodata', 2, '__be16'],
      ['counter', '.data', 8, '__u64'],
      ['zero', '.bss', 8, '__u64'],
    ]);
  });

  it('names the path of an object that is not there', () => {
    const call = (): unknown => addon.objectLayout('/no/such/object.o');
    expect(call).toThrow('cannot read the types of /no/such/object.o: No such file or directory (ENOENT)');
    expect(call).toThrow(expect.objectContaining({ code: 'ENOENT', errno: 2, op: 'object.layout' }) as Error);
  });

  it('refuses a file that is no object', async () => {
    await withObject('', async (object) => {
      const file = path.join(path.dirname(object), 'text');
      await writeFile(file, 'text');
      expect(() => addon.objectLayout(file)).toThrow('it is not a BPF object file (ENOEXEC)');
    });
  });

  it('asks for debug information where there is none', async () => {
    await withObject('', async (object) => {
      const directory = path.dirname(object);
      const bare = path.join(directory, 'bare.o');
      await writeFile(path.join(directory, 'bare.c'), 'int x = 1;\n');
      await run('clang-19', ['-target', 'bpf', '-c', path.join(directory, 'bare.c'), '-o', bare]);
      expect(() => addon.objectLayout(bare)).toThrow('it has no BTF; compile it with -g (ENODATA)');
    });
  });

  it('refuses what is not a path', () => {
    expect(() => addon.objectLayout(undefined as unknown as string)).toThrow('path is not a string');
    expect(() => addon.objectLayout('a\0b')).toThrow('path contains a zero byte');
  });
});
