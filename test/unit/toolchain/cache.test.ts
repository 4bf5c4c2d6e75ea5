// SPDX-License-Identifier: Apache-2.0
// When a file is made again, with a recipe that copies its inputs.

import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeCached } from '../../../src/toolchain/cache.ts';

let directory = '';
let input = '';
let output = '';
let made = 0;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'bpfsvc-cache-'));
  input = path.join(directory, 'input');
  output = path.join(directory, 'out/output');
  made = 0;
  await writeFile(input, 'one');
  await age(input);
});

afterEach(() => rm(directory, { recursive: true }));

/** As if written long ago: what is written while something is being made is not trusted. */
async function age(file: string): Promise<void> {
  await utimes(file, 1, 1);
}

async function make(key = 'flags', before: () => Promise<void> = () => Promise.resolve()): Promise<boolean> {
  return makeCached({
    output,
    note: path.join(directory, 'out/notes/output.json'),
    key: [key],
    async make(temporary) {
      made++;
      const text = await readFile(input);
      await before();
      await writeFile(temporary, text);
      return [input];
    },
  });
}

describe('makeCached', () => {
  it('makes the file, and not again while nothing changes', async () => {
    expect(await make()).toBe(false);
    expect(await make()).toBe(true);
    expect(made).toBe(1);
    expect(await readFile(output, 'utf8')).toBe('one');
  });

  it('makes the file again when the content of an input changes', async () => {
    await make();
    await writeFile(input, 'two');
    await age(input);
    expect(await make()).toBe(false);
    expect(await readFile(output, 'utf8')).toBe('two');
  });

  it('does not care for a new time on the same content', async () => {
    await make();
    await utimes(input, 2, 2);
    expect(await make()).toBe(true);
  });

  it('makes the file again when flags or versions change', async () => {
    await make('-O2');
    expect(await make('-O1')).toBe(false);
    expect(await make('-O1')).toBe(true);
  });

  it('makes the file again when an input is gone', async () => {
    await make();
    await rm(input);
    await expect(make()).rejects.toThrow('ENOENT');
    expect(made).toBe(2);
  });

  it('makes the file again when it is gone or was changed by others', async () => {
    await make();
    await writeFile(output, 'cut');
    expect(await make()).toBe(false);
    await rm(output);
    expect(await make()).toBe(false);
    expect(await readFile(output, 'utf8')).toBe('one');
  });

  it('makes the file again when its note is not readable', async () => {
    await make();
    await writeFile(path.join(directory, 'out/notes/output.json'), '{"key":');
    expect(await make()).toBe(false);
  });

  it('does not trust what was made while an input changed', async () => {
    await make('flags', async () => {
      await writeFile(input, 'two');
      await utimes(input, new Date(), new Date(Date.now() + 60_000));
    });
    await age(input);
    expect(await make()).toBe(false);
    expect(await readFile(output, 'utf8')).toBe('two');
  });

  it('keeps the old file and leaves nothing behind when making fails', async () => {
    await make();
    const failing = makeCached({
      output,
      note: path.join(directory, 'out/notes/output.json'),
      key: ['other'],
      async make(temporary) {
        await writeFile(temporary, 'half');
        throw new Error('no');
      },
    });
    await expect(failing).rejects.toThrow('no');
    expect(await readFile(output, 'utf8')).toBe('one');
    expect(await readdir(path.join(directory, 'out/notes'))).toEqual(['output.json']);
    expect(await make()).toBe(true);
  });
});
