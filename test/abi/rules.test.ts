// SPDX-License-Identifier: Apache-2.0
// Each rule of bpf/abi.h with C that breaks it, compiled by the real compiler, and the text that a person gets.

import { describe, expect, it } from 'vitest';
import { headerNames } from '../../tools/abigen/header.ts';
import { applyRules } from '../../tools/abigen/rules.ts';
import { layoutOf } from './support.ts';

/** Problems of a source whose text is also the header. */
async function problems(source: string, ...others: string[]): Promise<readonly string[]> {
  const layouts = await Promise.all([source, ...others].map((text) => layoutOf(text)));
  return applyRules(layouts, headerNames(source)).problems;
}

/** A header with one struct of these fields, kept in BTF. */
function struct(fields: string, before = ''): string {
  return `${before}\nstruct row {\n${fields}\n};\nstruct row keep_row = {};\n`;
}

const PROTO = 'enum proto {\n\tPROTO_TCP = 6,\n};\nenum proto keep_proto = 0;\n';

interface Case {
  readonly rule: string;
  readonly source: string;
  readonly problem: string;
}

const FIELDS: Case[] = [
  {
    rule: 'a hole between fields',
    source: struct('__u8 a; __u32 b;'),
    problem: 'struct row: 3 unnamed bytes between a and b; write them down as `__u8 pad[3]`',
  },
  {
    rule: 'a hole at the end',
    source: struct('__u32 a; __u8 b;'),
    problem: 'struct row: 3 unnamed bytes between b and the end; write them down as `__u8 pad[3]`',
  },
  {
    rule: 'a bit-field',
    source: struct('__u32 a : 3; __u32 b : 29;'),
    problem: 'struct row, field a: a bit-field of 3 bits has no address; use __u8 ... FLAGS(...) or a whole integer',
  },
  {
    rule: 'a bool',
    source: struct('_Bool a;'),
    problem: 'struct row, field a: bool has values that C does not define; use __u8',
  },
  {
    rule: 'a pointer',
    source: struct('void *a;'),
    problem: 'struct row, field a: a pointer means nothing on the other side; use an id or the bytes themselves',
  },
  {
    rule: 'a union as a field',
    source: struct('union { __u32 x; __be32 y; } a;'),
    problem: 'struct row, field a: a union is read in no one way; use a struct for each form',
  },
  {
    rule: 'a field without a name',
    source: struct('struct { __u32 x; };'),
    problem: 'struct row, field at 0: struct without a name; name it, or call it pad',
  },
  {
    rule: 'a long',
    source: struct('unsigned long a;'),
    problem:
      'struct row, field a: unsigned long has no fixed width by name; use __u8, __u16, __u32, __u64, __be16 or __be32',
  },
  {
    rule: 'a bare int',
    source: struct('int a;'),
    problem: 'struct row, field a: int has no fixed width by name; use __u8, __u16, __u32, __u64, __be16 or __be32',
  },
  {
    rule: "a typedef of the source's own",
    source: struct('port_t a;', 'typedef __u16 port_t;'),
    problem: 'struct row, field a: port_t has no fixed width by name; use __u8, __u16, __u32, __u64, __be16 or __be32',
  },
  {
    rule: 'an enum as a type',
    source: struct('enum proto a;', PROTO),
    problem: "struct row, field a: the width of enum proto is the compiler's choice; use __u8 ... ENUM(proto)",
  },
  {
    rule: 'an array of arrays',
    source: struct('__u8 a[2][4];'),
    problem: 'struct row, field a: an array of arrays; use one array',
  },
  {
    rule: 'an array of structs',
    source: struct('struct part a[2];', 'struct part {\n\t__u32 x;\n};'),
    problem: 'struct row, field a: an array of structs; use a map with a row for each',
  },
  {
    rule: 'a struct without a name as a field',
    source: struct('struct { __u32 x; } a;'),
    problem: 'struct row, field a: its struct has no name; give it one',
  },
  {
    rule: 'a single char',
    source: struct('char a;'),
    problem: 'struct row, field a: a single char; use __u8, or char[N] for text',
  },
  {
    rule: 'an address of another size',
    source: struct('__u8 a[8] ADDR;'),
    problem: 'struct row, field a: an address is __u8[16] or __be32, not __u8[8]',
  },
  {
    rule: 'an IPv4 address in host order',
    source: struct('__u32 a ADDR;'),
    problem: 'struct row, field a: an address is __u8[16] or __be32, not __u32',
  },
  {
    rule: 'a MAC of another size',
    source: struct('__u8 a[8] MAC;'),
    problem: 'struct row, field a: a MAC is __u8[6], not __u8[8]',
  },
  {
    rule: 'a misspelt tag',
    source: struct('__u8 a[16] TAG("adress");'),
    problem: 'struct row, field a: unknown tag "adress"; remove it or correct its spelling',
  },
  {
    rule: 'padding that is not made of integers',
    source: struct('char pad[4];'),
    problem: 'struct row, field pad: padding is made of integers; use __u8[N]',
  },
  {
    rule: 'a tag that names an enum the header lacks',
    source: struct('__u8 a ENUM(protocol);'),
    problem:
      "struct row, field a: its tag names enum protocol, which the header does not declare or the objects' BTF lacks",
  },
  {
    rule: 'an enum in an array',
    source: struct('__u8 a[4] ENUM(proto);', PROTO),
    problem: 'struct row, field a: __u8[4] cannot hold enum proto; use __u8, __u16 or __u32',
  },
  {
    rule: 'an enum that is wider than its field',
    source: struct('__u8 a ENUM(wide);', 'enum wide {\n\tWIDE_X = 256,\n};\nenum wide keep_wide = 0;\n'),
    problem: 'struct row, field a: 256 of enum wide does not fit in 1 bytes; use a wider integer',
  },
];

const MAP = '__uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1);';

const REST: Case[] = [
  {
    rule: 'a union in the header',
    source: 'union both {\n\t__u32 a;\n};\n',
    problem: 'union both: a union is read in no one way; use structs',
  },
  {
    rule: 'a struct that nothing refers to',
    source: 'struct lost {\n\t__u32 a;\n};\n',
    problem:
      "struct lost: declared in the header, but not in the objects' BTF; use it in a map, or add `const volatile struct lost keep_lost = {};` to bpf/maps.bpf.c",
  },
  {
    rule: 'an enum that nothing refers to',
    source: 'enum lost {\n\tLOST_A,\n};\n',
    problem:
      "enum lost: declared in the header, but not in the objects' BTF; add `const volatile enum lost keep_lost = 0;` to bpf/maps.bpf.c",
  },
  {
    rule: 'a map whose name the kernel would cut',
    source: `struct { ${MAP} __type(key, __u32); __type(value, __u32); } sixteen_letters_ SEC(".maps");`,
    problem: 'map sixteen_letters_: its name has 16 characters, of which the kernel keeps 15; shorten it',
  },
  {
    rule: 'a map whose key has no type',
    source: `struct { ${MAP} __uint(key_size, 4); __type(value, __u32); } rows SEC(".maps");`,
    problem:
      'map rows: its key has a size but no type; use __type(key, ...), or TAG("private") where only programs use it',
  },
  {
    rule: 'a map whose value is a bare int',
    source: `struct { ${MAP} __type(key, __u32); __type(value, int); } rows SEC(".maps");`,
    problem: 'map rows: its value is int; use a named struct, __u32 or __u64',
  },
  {
    rule: 'a struct that only a map refers to, with a hole',
    source: `struct { ${MAP} __type(key, struct other_key); __type(value, __u32); } rows SEC(".maps");`.replace(
      /^/,
      ' struct other_key { __u8 a; __u16 b; };',
    ),
    problem: 'struct other_key: 1 unnamed bytes between a and b; write them down as `__u8 pad[1]`',
  },
  {
    rule: 'an unknown tag on a map',
    source: `struct { ${MAP} __type(key, __u32); __type(value, __u32); } rows SEC(".maps") TAG("dox:x");`,
    problem: 'map rows: unknown tag "dox:x"; remove or correct it',
  },
  {
    rule: 'a key tag that names an enum the header lacks',
    source: `struct { ${MAP} __type(key, __u32); __type(value, __u32); } rows SEC(".maps") TAG("key_enum:nothing");`,
    problem: 'map rows: its tag names enum nothing, which the header does not declare',
  },
  {
    rule: 'an inner map without a value type',
    source: `struct inner { ${MAP} __uint(key_size, 4); __uint(value_size, 4); };
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1); __type(key, __u32);
__array(values, struct inner); } rows SEC(".maps");`,
    problem:
      'map rows, inner map: its value has a size but no type; use __type(value, ...), or TAG("inner_value:STRUCT") on the outer map',
  },
  {
    rule: 'an inner map whose value has another size than its tag says',
    source: `struct row {\n\t__u32 a;\n\t__u32 b;\n};\nstruct row keep_row = {};
struct inner { ${MAP} __uint(key_size, 4); __uint(value_size, 4); };
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1); __type(key, __u32);
__array(values, struct inner); } rows SEC(".maps") TAG("inner_value:row");`,
    problem: 'map rows, inner map: values have 4 bytes, struct row has 8',
  },
  {
    rule: 'a setting without documentation',
    source: 'const volatile __u32 cfg_limit = 1;',
    problem: 'setting cfg_limit: has no documentation; add TAG("doc:what it does, unit, default")',
  },
  {
    rule: 'a setting that is not constant',
    source: '__u32 cfg_limit TAG("doc:x") = 1;',
    problem: 'setting cfg_limit: lies in .data, where the verifier does not know it; make it const volatile',
  },
  {
    rule: 'a setting of a forbidden type',
    source: 'const volatile _Bool cfg_on TAG("doc:x") = 1;',
    problem: 'setting cfg_on: bool has values that C does not define; use __u8',
  },
];

describe('rules', () => {
  it.for([...FIELDS, ...REST])('refuse $rule', async ({ source, problem }) => {
    expect(await problems(source)).toContain(problem);
  });

  it('refuse a map that two objects define differently', async () => {
    const map = (value: string): string =>
      `struct { ${MAP} __type(key, __u32); __type(value, ${value}); } rows SEC(".maps");`;
    expect(await problems(map('__u32'), map('__u64'))).toEqual([
      'map rows: two objects define it differently; define it in one header',
    ]);
    expect(await problems(map('__u32'), map('__u32'))).toEqual([]);
  });

  it('refuse a struct that two objects define differently', async () => {
    expect(await problems(struct('__u32 a;'), struct('__u64 a;'))).toEqual([
      'struct row: two objects define it differently; define it in one header',
    ]);
  });

  it('report all problems at once', async () => {
    expect(await problems(struct('int a; _Bool b; __u8 c[3] ADDR;'))).toHaveLength(3);
  });

  it('accept every form that crosses the border', async () => {
    const fields = `__u64 a; __s64 b; __u32 c; __s32 d; __be32 e ADDR; __be32 f; __u16 g; __be16 h; __u8 i ENUM(proto);
__u8 j FLAGS(proto); __s8 k; __u8 pad; __u8 l[16] ADDR; __u8 m[6] MAC; char n[10]; __u16 o[4];
struct part p; __u32 pad2;`;
    const source = struct(fields, `${PROTO}\nstruct part {\n\t__u32 x;\n};`);
    expect(await problems(source)).toEqual([]);
    const { abi } = applyRules([await layoutOf(source)], headerNames(source));
    expect(abi.structs.map(({ name }) => name)).toEqual(['part', 'row']);
    expect(abi.structs[1]?.fields.map(({ kind }) => kind.is)).toEqual([
      ...['scalar', 'scalar', 'scalar', 'scalar', 'address', 'scalar', 'scalar', 'scalar', 'enum', 'flags', 'scalar'],
      ...['pad', 'address', 'mac', 'text', 'scalars', 'struct', 'pad'],
    ]);
  });

  it('leave out a map that only programs use', async () => {
    const source = `struct { ${MAP} __uint(key_size, 4); __uint(value_size, 7); } scratch SEC(".maps") TAG("private");`;
    expect(await problems(source)).toEqual([]);
    expect(applyRules([await layoutOf(source)], headerNames('')).abi.maps).toEqual([]);
  });

  it('take in a struct that is marked although the header does not declare it', async () => {
    const layout = await layoutOf(' struct extra { __u32 a; } TAG("abi") keep_extra = {};');
    expect(applyRules([layout], headerNames('')).abi.structs.map(({ name }) => name)).toEqual(['extra']);
  });
});
