// SPDX-License-Identifier: Apache-2.0
// Which object is loaded: the one that is there, if it fits; one made now, if there is none. With the addon's reader.

import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { compileCommand } from '../../src/toolchain/compile-command.ts';
import type { ProvidedObject } from '../../src/toolchain/provide.ts';
import { provideObject } from '../../src/toolchain/provide.ts';
import { withObject } from './support.ts';

let outDir = '';

beforeEach(async () => {
  outDir = await mkdtemp(path.join(tmpdir(), 'bpfsvc-provide-'));
});

afterEach(() => rm(outDir, { recursive: true }));

function provide(): Promise<ProvidedObject> {
  return provideObject({ outDir, objectLayout: (object) => addon.objectLayout(object) });
}

describe('provideObject', () => {
  it('compiles where there is no object, and takes that one the next time', async () => {
    const object = path.join(outDir, 'bpfsvc.bpf.o');
    expect(await provide()).toEqual({ path: object, compiled: true });
    const { mtimeMs } = await stat(object);
    expect(await provide()).toEqual({ path: object, compiled: false });
    expect((await stat(object)).mtimeMs).toBe(mtimeMs);
  });

  it('refuses an object of other sources, with all differences and the remedy', async () => {
    const stale = 'struct frontend_key { __be16 port; __u8 addr[16]; } keep_key = {};';
    await withObject(stale, (object) => copyFile(object, path.join(outDir, 'bpfsvc.bpf.o')));
    const failure = provide();
    await expect(failure).rejects.toThrow(/bpfsvc\.bpf\.o was compiled from other sources than this program:\n/);
    await expect(failure).rejects.toThrow(
      'struct frontend_key.port: the object has __be16 at 0, this program expects __be16 at 16',
    );
    await expect(failure).rejects.toThrow('map frontends: the object lacks it, this program expects hash');
    await expect(failure).rejects.toThrow(/\ncompile it again: bpfsvc compile$/);
    await expect(failure).rejects.toMatchObject({ code: 'layout-differs' });
  });
});

describe('compileCommand', () => {
  it('tells whether anything had to be made, and by which compiler', async () => {
    const lines: string[] = [];
    const print = (line: string): void => void lines.push(line);
    await compileCommand({ out: outDir }, print);
    await compileCommand({ out: outDir }, print);
    expect(lines).toEqual([
      expect.stringMatching(/bpfsvc\.bpf\.o compiled \(.*clang version/),
      expect.stringMatching(/bpfsvc\.bpf\.o is up to date \(.*clang version/),
    ]);
  });

  it('fails with the given compiler when that cannot be run', async () => {
    const failing = compileCommand({ out: outDir, clang: '/no/such/clang' }, () => undefined);
    await expect(failing).rejects.toThrow('no C compiler for BPF: /no/such/clang cannot be run');
  });
});
