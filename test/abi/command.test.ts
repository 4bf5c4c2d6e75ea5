// SPDX-License-Identifier: Apache-2.0
// abigen as a command: what it writes, what --check finds stale, how it fails.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withObject } from './support.ts';

const MAIN = path.resolve(import.meta.dirname, '../../tools/abigen/main.ts');
const HEADER = 'struct row {\n\t__u32 id;\n\t__be32 addr ADDR;\n};\nenum proto {\n\tPROTO_TCP = 6,\n};\n';
const SOURCE = `${HEADER}
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, struct row); __type(value, __u64); }
  rows SEC(".maps") TAG("doc:one row a test");
const volatile enum proto keep_proto = 0;
const volatile __be16 cfg_port TAG("doc:the port") = 0;
`;

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'bpfsvc-abigen-'));
  await writeFile(path.join(directory, 'abi.h'), HEADER);
});

afterEach(() => rm(directory, { recursive: true }));

interface Result {
  readonly exitCode: number | undefined;
  readonly text: string;
}

async function abigen(source: string, ...flags: string[]): Promise<Result> {
  return withObject(source, async (object) => {
    const files = ['--header', path.join(directory, 'abi.h'), '--doc', path.join(directory, 'doc.md')];
    const args = [MAIN, object, path.join(directory, 'abi'), ...files, ...flags];
    const { exitCode, all } = await execa(process.execPath, args, { cwd: directory, reject: false, all: true });
    return { exitCode, text: all };
  });
}

async function generated(name: string): Promise<string> {
  return readFile(path.join(directory, name), 'utf8');
}

describe('abigen', () => {
  it('writes five files and a document', async () => {
    expect(await abigen(SOURCE)).toMatchObject({ exitCode: 0 });
    expect((await readdir(path.join(directory, 'abi'))).sort()).toEqual([
      'codecs.gen.ts',
      'config.gen.ts',
      'enums.gen.ts',
      'fingerprint.gen.ts',
      'maps.gen.ts',
    ]);
    expect(await generated('doc.md')).toMatch(/`rows` +\| hash +\| `row` +\| `__u64` +\| 4 +\| +\| one row a test/);
    expect(await generated('abi/config.gen.ts')).toContain('/** the port */');
  });

  it('passes --check on what it has written, and writes nothing then', async () => {
    await abigen(SOURCE);
    expect(await abigen(SOURCE, '--check')).toEqual({ exitCode: 0, text: '' });
    expect((await abigen(SOURCE)).text).toBe('all generated files are up to date');
  });

  it('fails --check with the names of the stale files, and leaves them alone', async () => {
    await abigen(SOURCE);
    const before = await generated('abi/codecs.gen.ts');
    const swapped = SOURCE.replace('\t__u32 id;\n\t__be32 addr ADDR;\n', '\t__be32 addr ADDR;\n\t__u32 id;\n');
    const { exitCode, text } = await abigen(swapped, '--check');
    expect(exitCode).toBe(1);
    expect(text.split('\n').slice(1).sort()).toEqual(['  abi/codecs.gen.ts', '  abi/fingerprint.gen.ts', '  doc.md']);
    expect(await generated('abi/codecs.gen.ts')).toBe(before);
  });

  it('fails --check when a file is missing or was edited by hand', async () => {
    await abigen(SOURCE);
    await rm(path.join(directory, 'abi/maps.gen.ts'));
    await writeFile(path.join(directory, 'doc.md'), '# mine\n');
    expect((await abigen(SOURCE, '--check')).text.split('\n').slice(1)).toEqual(['  abi/maps.gen.ts', '  doc.md']);
  });

  it('lists all broken rules without a stack and writes nothing', async () => {
    const { exitCode, text } = await abigen(SOURCE.replace('__u32 id', 'int id').replace('TAG("doc:the port")', ''));
    expect(exitCode).toBe(1);
    expect(text.split('\n')).toEqual([
      'the ABI breaks 2 rules:',
      expect.stringContaining('struct row, field id: int has no fixed width by name'),
      expect.stringContaining('setting cfg_port: has no documentation'),
    ]);
    await expect(readdir(path.join(directory, 'abi'))).rejects.toThrow('ENOENT');
  });

  it('compiles bpf/ and finds the committed files up to date', async () => {
    const root = path.resolve(import.meta.dirname, '../..');
    const { exitCode, all } = await execa(process.execPath, [MAIN, '--check'], { cwd: root, reject: false, all: true });
    expect([exitCode, all]).toEqual([0, '']);
  });
});
