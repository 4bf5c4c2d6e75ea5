// SPDX-License-Identifier: Apache-2.0
// The real clang and linker on small sources: what is made again when, and what a person is told.

import { chmod, mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compile, findSources } from '../../../src/toolchain/compile.ts';
import type { CompileResult } from '../../../src/toolchain/compile.ts';

let root = '';

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'bpfsvc-compile-'));
  await mkdir(path.join(root, 'bpf'));
  await write('shared.h', '#include <linux/types.h>\n#define ANSWER 42\n');
  await write('one.bpf.c', '#include "shared.h"\nconst volatile __u32 one = ANSWER;\n');
  await write('two.bpf.c', 'const volatile int two = 2;\n');
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

/** With an old time, as a checkout's would be at the second compilation. */
async function write(name: string, text: string): Promise<void> {
  const file = path.join(root, 'bpf', name);
  await writeFile(file, text);
  await utimes(file, 1, 1);
}

async function run(clang?: string): Promise<CompileResult> {
  const output = path.join(root, 'out/all.bpf.o');
  return compile({ output, root, sources: await findSources(root, 'bpf'), includeDirs: ['bpf'], clang });
}

async function objectTimes(): Promise<number[]> {
  const names = ['one.bpf.o', 'two.bpf.o'];
  return Promise.all(names.map(async (name) => (await stat(path.join(root, 'out/.cache', name))).mtimeMs));
}

describe('compile', () => {
  it('links all sources into one object that keeps BTF and no DWARF', async () => {
    const { object, compiler } = await run();
    const bytes = await readFile(object, 'latin1');
    expect(compiler).toContain('clang version');
    expect(bytes).toContain('.BTF');
    expect(bytes).not.toContain('.debug_info');
    expect(bytes).toMatch(/\0one\0[^]*\0two\0|\0two\0[^]*\0one\0/);
  });

  it('gives the same object from the same sources, wherever they lie', async () => {
    const first = await readFile((await run()).object);
    await rm(path.join(root, 'out'), { recursive: true });
    const moved = path.join(tmpdir(), `${path.basename(root)}-moved`);
    await mkdir(moved);
    try {
      for (const name of ['shared.h', 'one.bpf.c', 'two.bpf.c']) {
        await mkdir(path.join(moved, 'bpf'), { recursive: true });
        await writeFile(path.join(moved, 'bpf', name), await readFile(path.join(root, 'bpf', name)));
      }
      const sources = ['bpf/one.bpf.c', 'bpf/two.bpf.c'];
      const output = path.join(moved, 'all.bpf.o');
      const { object } = await compile({ output, root: moved, sources, includeDirs: ['bpf'] });
      expect((await readFile(object)).equals(first)).toBe(true);
    } finally {
      await rm(moved, { recursive: true });
    }
  });

  it('makes nothing again while nothing has changed', async () => {
    expect((await run()).cached).toBe(false);
    const before = await objectTimes();
    expect((await run()).cached).toBe(true);
    expect(await objectTimes()).toEqual(before);
  });

  it('compiles only the sources that include a changed header', async () => {
    await run();
    const [oneBefore, twoBefore] = await objectTimes();
    await write('shared.h', '#include <linux/types.h>\n#define ANSWER 43\n');
    expect((await run()).cached).toBe(false);
    const [oneAfter, twoAfter] = await objectTimes();
    expect(oneAfter).not.toBe(oneBefore);
    expect(twoAfter).toBe(twoBefore);
  });

  it('compiles again with a compiler of another version', async () => {
    await run();
    const other = path.join(root, 'clang-other');
    await writeFile(
      other,
      '#!/bin/sh\n[ "$1" = --version ] && { echo "clang version 99.0"; exit; }\nexec clang-19 "$@"\n',
    );
    await chmod(other, 0o755);
    expect(await run(other)).toMatchObject({ cached: false, compiler: 'clang version 99.0' });
  });

  it("says what failed on the first line and then all of the compiler's words", async () => {
    await write('one.bpf.c', 'int f(void) { return missing; }\nint g(void) { return also_missing; }\n');
    const message = await run().then(String, (error: unknown) => (error instanceof Error ? error.message : ''));
    expect(message.split('\n')[0]).toBe('compiling bpf/one.bpf.c failed (clang-19):');
    expect(message).toContain("bpf/one.bpf.c:1:22: error: use of undeclared identifier 'missing'");
    expect(message).toContain("error: use of undeclared identifier 'also_missing'");
  });

  it('reports every source that does not compile', async () => {
    await write('one.bpf.c', '#error first\n');
    await write('two.bpf.c', '#error second\n');
    await expect(run()).rejects.toThrow(/compiling bpf\/one[^]*#error first[^]*compiling bpf\/two[^]*#error second/);
  });

  it('takes a warning for an error', async () => {
    await write('two.bpf.c', 'int f(int unused) { return 0; }\n');
    await expect(run()).rejects.toThrow("unused parameter 'unused'");
  });

  it.for([
    ['bpf/no_such_header.h', 'libbpf-dev'],
    ['linux/no_such_header.h', 'linux-libc-dev'],
  ])('names the package that a missing <%s> belongs to', async ([header = '', name = '']) => {
    await write('two.bpf.c', `#include <${header}>\n`);
    await expect(run()).rejects.toThrow(`install the header: apt install ${name}`);
  });

  it('says that linking failed, in the words of the linker', async () => {
    await write('two.bpf.c', 'const volatile unsigned one = 1;\n');
    await expect(run()).rejects.toThrow(/^linking all\.bpf\.o failed \(bpftool gen object\):\n[^]*\(one\)/);
  });
});
