// SPDX-License-Identifier: Apache-2.0
// Which compiler is taken, with stand-ins on the PATH that only tell a version.

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findBpftool, findClang } from '../../../src/toolchain/tools.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'bpfsvc-tools-'));
  vi.stubEnv('PATH', directory);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

async function standIn(name: string, says: string): Promise<string> {
  const file = path.join(directory, name);
  await writeFile(file, `#!/bin/sh\necho "${says}"\n`);
  await chmod(file, 0o755);
  return file;
}

describe('findClang', () => {
  it('prefers clang-19 to clang', async () => {
    await standIn('clang', 'clang version 14.0.6');
    await standIn('clang-19', 'Debian clang version 19.1.7 (3)\nTarget: x86_64');
    expect(await findClang()).toEqual({ path: 'clang-19', version: 'Debian clang version 19.1.7 (3)' });
  });

  it('takes clang where there is no clang-19', async () => {
    await standIn('clang', 'clang version 14.0.6');
    expect(await findClang()).toEqual({ path: 'clang', version: 'clang version 14.0.6' });
  });

  it('takes the given one and no other', async () => {
    await standIn('clang-19', 'clang version 19.1.7');
    const wanted = await standIn('my-clang', 'clang version 21.0.0');
    expect((await findClang(wanted)).path).toBe(wanted);
    await expect(findClang(path.join(directory, 'none'))).rejects.toThrow(/none cannot be run.*apt install clang-19/);
  });

  it('refuses a clang that writes no declaration tags', async () => {
    await standIn('clang', 'clang version 13.0.1');
    await expect(findClang()).rejects.toThrow('clang is clang 13, at least 14 is needed');
  });

  it('refuses another compiler', async () => {
    const gcc = await standIn('gcc', 'gcc (Debian 12.2.0) 12.2.0');
    await expect(findClang(gcc)).rejects.toThrow('is not clang: it calls itself "gcc (Debian 12.2.0) 12.2.0"');
  });

  it('names the package when there is no compiler', async () => {
    await expect(findClang()).rejects.toThrow('clang-19 and clang cannot be run; install it: apt install clang-19');
  });
});

describe('findBpftool', () => {
  it('takes the version of the library in it along, because that links', async () => {
    await standIn('bpftool', 'bpftool v7.1.0\nusing libbpf v1.1\nfeatures:');
    expect(await findBpftool()).toEqual({ path: 'bpftool', version: 'bpftool v7.1.0, using libbpf v1.1' });
  });

  it('names the package when there is no bpftool', async () => {
    await expect(findBpftool(['bpftool'])).rejects.toThrow('bpftool cannot be run; install it: apt install bpftool');
  });
});
