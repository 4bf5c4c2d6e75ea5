// SPDX-License-Identifier: Apache-2.0
// What changes the fingerprint, what does not, and how a difference reads.

import { describe, expect, it } from 'vitest';
import type { LayoutField, LayoutMap, LayoutVariable, ObjectLayout } from '../../../src/kernel/layout.ts';
import { abiLines, checkLayout, fingerprint, formatDifference } from '../../../src/toolchain/fingerprint.ts';

const port: LayoutField = {
  name: 'port',
  offset: 0,
  size: 2,
  kind: 'int',
  type: 'unsigned short',
  typedef: '__be16',
  tags: [],
};
const addr: LayoutField = {
  name: 'addr',
  offset: 2,
  size: 16,
  kind: 'int',
  type: 'unsigned char',
  typedef: '__u8',
  arrayLength: 16,
  tags: ['address', 'doc:where'],
};
const inner = { type: 2, typeName: 'array', keySize: 4, valueSize: 64, maxEntries: 16, flags: 1024 };
const map: LayoutMap = {
  name: 'keys',
  type: 1,
  typeName: 'hash',
  keySize: 18,
  valueSize: 4,
  keyType: 'struct key',
  valueType: '__u32',
  maxEntries: 100,
  flags: 1,
  tags: ['doc:one row'],
};
const outer: LayoutMap = { ...inner, name: 'outer', typeName: 'array_of_maps', tags: ['inner_value:block'], inner };
const setting: LayoutVariable = {
  name: 'cfg_port_min',
  section: '.rodata',
  size: 2,
  kind: 'int',
  type: 'unsigned short',
  typedef: '__u16',
  tags: ['doc:first port'],
};
const BASE: ObjectLayout = {
  structs: [
    { name: 'key', union: false, size: 18, fields: [port, addr], tags: [] },
    { name: 'kernel_thing', union: false, size: 2, fields: [port], tags: [] },
  ],
  enums: [
    { name: 'proto', values: [['PROTO_TCP', 6]] },
    { name: 'kernel_enum', values: [['X', 1]] },
  ],
  maps: [map, outer],
  variables: [setting, { ...setting, name: 'other', tags: [] }],
};

function lines(layout: ObjectLayout): Readonly<Record<string, string>> {
  return abiLines(layout, ['key'], ['proto']);
}

function withFields(fields: readonly LayoutField[]): ObjectLayout {
  return { ...BASE, structs: [{ name: 'key', union: false, size: 18, fields, tags: [] }] };
}

function differences(layout: ObjectLayout): string[] {
  return checkLayout(layout, lines(BASE)).map(formatDifference);
}

describe('abiLines', () => {
  it('spells what both sides must agree on, and nothing of what only the kernel knows', () => {
    expect(lines(BASE)).toEqual({
      'struct key': '18 bytes',
      'struct key.port': '__be16 at 0',
      'struct key.addr': '__u8[16] address at 2',
      'enum proto': '1 values',
      'enum proto.PROTO_TCP': '6',
      'map keys': 'hash, key struct key, value __u32, flags 0x1',
      'map outer':
        'array_of_maps, key 4 bytes, value 64 bytes, flags 0x400, of array, key 4 bytes, value 64 bytes, flags 0x400, inner_value:block',
      'setting cfg_port_min': '__u16 in .rodata',
    });
  });
});

describe('fingerprint', () => {
  const base = fingerprint(lines(BASE));

  it('has 16 hexadecimal digits', () => {
    expect(base).toMatch(/^[\da-f]{16}$/);
  });

  it('does not depend on the order in which structs are named', () => {
    const [one, other] = [
      ['key', 'kernel_thing'],
      ['kernel_thing', 'key'],
    ].map((structs) => fingerprint(abiLines(BASE, structs, [])));
    expect(one).toBe(other);
  });

  const same: [string, ObjectLayout][] = [
    ['the size of a map', { ...BASE, maps: [{ ...map, maxEntries: 7 }, outer] }],
    ['the size of an inner map', { ...BASE, maps: [map, { ...outer, inner: { ...inner, maxEntries: 7 } }] }],
    ['documentation', { ...BASE, maps: [{ ...map, tags: ['doc:another'] }, outer] }],
    ['the order of maps', { ...BASE, maps: [outer, map] }],
    ['the order of tags', withFields([port, { ...addr, tags: ['doc:where', 'address'] }])],
    ['a setting', { ...BASE, variables: [{ ...setting, size: 4, type: 'unsigned int', typedef: '__u32' }] }],
    ['a private map', { ...BASE, maps: [map, outer, { ...map, name: 'scratch', tags: ['private'] }] }],
    ['a struct of the kernel', { ...BASE, structs: BASE.structs.slice(0, 1) }],
  ];
  it.for(same)('stays with another value for %s', ([, layout]) => {
    expect(fingerprint(lines(layout))).toBe(base);
  });

  const other: [string, ObjectLayout][] = [
    [
      'two fields are swapped',
      withFields([
        { ...addr, offset: 0 },
        { ...port, offset: 16 },
      ]),
    ],
    ['a field has another byte order', withFields([{ ...port, typedef: '__u16' }, addr])],
    ['a field is an address no more', withFields([port, { ...addr, tags: [] }])],
    ['a field is renamed', withFields([{ ...port, name: 'dport' }, addr])],
    ['an enumerator has another value', { ...BASE, enums: [{ name: 'proto', values: [['PROTO_TCP', 7]] }] }],
    ['a map has another type', { ...BASE, maps: [{ ...map, type: 9, typeName: 'lru_hash' }, outer] }],
    ['a map has other flags', { ...BASE, maps: [{ ...map, flags: 0 }, outer] }],
    ['an inner map has larger values', { ...BASE, maps: [map, { ...outer, inner: { ...inner, valueSize: 128 } }] }],
    ['a map is gone', { ...BASE, maps: [map] }],
  ];
  it.for(other)('changes when %s', ([, layout]) => {
    expect(fingerprint(lines(layout))).not.toBe(base);
  });
});

describe('checkLayout', () => {
  it('finds no difference in the object that the lines came from', () => {
    expect(differences(BASE)).toEqual([]);
  });

  it('names each field that lies elsewhere', () => {
    expect(
      differences(
        withFields([
          { ...addr, offset: 0 },
          { ...port, offset: 16 },
        ]),
      ),
    ).toEqual([
      'struct key.port: the object has __be16 at 16, this program expects __be16 at 0',
      'struct key.addr: the object has __u8[16] address at 0, this program expects __u8[16] address at 2',
    ]);
  });

  it('names what the object lacks, a setting included', () => {
    expect(differences({ ...BASE, maps: [outer], variables: [] })).toEqual([
      'map keys: the object lacks it, this program expects hash, key struct key, value __u32, flags 0x1',
      'setting cfg_port_min: the object lacks it, this program expects __u16 in .rodata',
    ]);
  });

  it('names what the object has and this program does not know', () => {
    const grown: LayoutField = { ...port, name: 'more', offset: 18 };
    const layout = withFields([port, addr, grown]);
    expect(differences({ ...layout, maps: [map, outer, { ...map, name: 'extra' }] })).toEqual([
      'struct key.more: the object has __be16 at 18, this program does not know it',
      'map extra: the object has hash, key struct key, value __u32, flags 0x1, this program does not know it',
    ]);
  });

  it('shows the width of a bit-field', () => {
    expect(differences(withFields([{ ...port, bits: 3 }, addr]))).toEqual([
      'struct key.port: the object has __be16:3 at 0, this program expects __be16 at 0',
    ]);
  });
});
