// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { MAP_TYPE } from '../../src/kernel/constants.ts';
import { findBpffs, isBpffs, readMounts } from '../../src/kernel/mounts.ts';
import type { PinPaths } from '../../src/kernel/pins.ts';
import { ensureBpffs, listPins, PinDirectory, PinError, pinnedFingerprints, pinPaths } from '../../src/kernel/pins.ts';
import { run } from '../support/command.ts';

const PROGRAM = new URL('programs/pins.ts', import.meta.url).pathname;

let scratch: string;
let bpffs: string;

beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'bpfsvc-pins-'));
  bpffs = path.join(scratch, 'with space', 'bpf');
  ensureBpffs(bpffs);
});

afterEach(() => {
  for (const { point } of readMounts()
    .filter((mount) => mount.point.startsWith(`${scratch}/`))
    .reverse()) {
    // Lazily: a failed test may still hold something there.
    spawnSync('umount', ['--lazy', point]);
  }
  rmSync(scratch, { recursive: true });
});

function pinMap(file: string): void {
  const map = addon.createMap({ type: MAP_TYPE.ARRAY, name: 'm', keySize: 4, valueSize: 4, maxEntries: 1, flags: 0 });
  map.pin(file);
  map.close();
}

function fill(staging: PinPaths): void {
  pinMap(path.join(staging.maps, 'flows'));
  pinMap(path.join(staging.maps, 'sets'));
}

const codeOf = (call: () => unknown): string | undefined => {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof PinError) return error.code;
    throw error;
  }
};

describe('ensureBpffs', () => {
  it('makes a directory and mounts a BPF file system on it, once', () => {
    const directory = path.join(scratch, 'a', 'b');
    expect(ensureBpffs(directory)).toBe(true);
    expect(ensureBpffs(directory)).toBe(false);
    expect(readMounts().filter(({ point }) => point === directory)).toHaveLength(1);
  });

  it('makes a directory on a BPF file system and mounts nothing', () => {
    const directory = path.join(bpffs, 'node1');
    expect(ensureBpffs(directory)).toBe(false);
    expect(existsSync(directory)).toBe(true);
  });

  it('covers no files', () => {
    const directory = path.join(scratch, 'full');
    mkdirSync(directory);
    writeFileSync(path.join(directory, 'file'), '');
    expect(codeOf(() => ensureBpffs(directory))).toBe('not-bpffs');
    expect(isBpffs(directory)).toBe(false);
  });

  it('tells how to mount one where it may not', async () => {
    const pins = new URL('../../src/kernel/pins.ts', import.meta.url).href;
    const code = `import { ensureBpffs } from '${pins}'; ensureBpffs('${scratch}/denied');`;
    mkdirSync(path.join(scratch, 'denied'), { mode: 0o777 });
    const args = ['--bounding-set=-sys_admin', process.execPath, '--input-type=module', '--eval', code];
    await expect(run('setpriv', args)).rejects.toThrow(
      /cannot mount .*\/denied: Operation not permitted \(EPERM\); mount it beforehand: mount -t bpf bpf \/.*\/denied/,
    );
  });
});

describe('findBpffs', () => {
  it('finds a mount whose path has a space, and not one that something else covers', () => {
    const mounts = readMounts().filter(({ point }) => point === bpffs);
    expect(mounts).toHaveLength(1);
    expect(findBpffs(mounts)).toBe(bpffs);
    spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', bpffs]);
    expect(findBpffs(mounts)).toBeUndefined();
  });
});

describe('PinDirectory', () => {
  it('shows what is built only when it is whole', async () => {
    using pins = PinDirectory.open(bpffs, 'abc');
    const seen = await pins.build((staging) => {
      fill(staging);
      return [pins.whole, pinnedFingerprints(bpffs), existsSync(pins.paths.directory)];
    });
    expect(seen).toEqual([false, [], false]);
    expect(pins.whole).toBe(true);
    expect(pinnedFingerprints(bpffs)).toEqual(['abc']);
    expect(readdirSync(pins.paths.directory).sort()).toEqual(['links', 'maps']);
    const map = addon.openPinnedMap(path.join(pins.paths.maps, 'flows'));
    expect(map.info().type).toBe(MAP_TYPE.ARRAY);
    map.close();
  });

  it('builds under the same paths that readers are told', () => {
    using pins = PinDirectory.open(bpffs, 'abc');
    expect(pins.paths).toEqual(pinPaths(bpffs, 'abc'));
    expect(pins.paths.maps).toBe(`${bpffs}/bpfsvc/abc/maps`);
  });

  it('leaves nothing of a build that fails, and passes on why', async () => {
    using pins = PinDirectory.open(bpffs, 'abc');
    const failing = pins.build((staging) => {
      fill(staging);
      throw new Error('no memory');
    });
    await expect(failing).rejects.toThrow('no memory');
    expect(readdirSync(path.join(bpffs, 'bpfsvc'))).toEqual([]);
    await pins.build(fill);
    expect(pins.whole).toBe(true);
  });

  it('does not build over what is there', async () => {
    using pins = PinDirectory.open(bpffs, 'abc');
    await pins.build(fill);
    await expect(pins.build(fill)).rejects.toMatchObject({ code: 'exists' });
  });

  it('has one holder at a time', () => {
    const first = PinDirectory.open(bpffs, 'abc');
    expect(codeOf(() => PinDirectory.open(bpffs, 'def'))).toBe('locked');
    first.close();
    first.close();
    PinDirectory.open(bpffs, 'def').close();
  });

  it('has one holder at a time even while holders remove the directory', async () => {
    const mark = path.join(scratch, 'held');
    const rounds = 200;
    const args = ['contend', bpffs, mark, String(rounds)];
    const contend = (): Promise<string> => run(process.execPath, [PROGRAM, ...args]);
    const answers = await Promise.allSettled([contend(), contend(), contend()]);
    const held = { status: 'fulfilled', value: JSON.stringify({ held: rounds }) };
    expect(answers).toEqual([held, held, held]);
  });

  it('is free again when its holder was killed, and clears away what that one had begun', async () => {
    const holder = spawn(process.execPath, [PROGRAM, 'hold', bpffs], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface({ input: holder.stdout }), 'line');
    expect(codeOf(() => PinDirectory.open(bpffs, 'abc'))).toBe('locked');
    expect(readdirSync(path.join(bpffs, 'bpfsvc'))).toEqual(['abc-partial']);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    using pins = PinDirectory.open(bpffs, 'abc');
    expect(pins.whole).toBe(false);
    expect(readdirSync(path.join(bpffs, 'bpfsvc'))).toEqual([]);
  });

  it('knows the directories of other layouts, and removes one by name', async () => {
    const older = PinDirectory.open(bpffs, 'old');
    await older.build(fill);
    older.close();
    using pins = PinDirectory.open(bpffs, 'new');
    await pins.build(fill);
    expect(pins.others()).toEqual(['old']);
    expect(pins.remove('old').sort()).toEqual([`${bpffs}/bpfsvc/old/maps/flows`, `${bpffs}/bpfsvc/old/maps/sets`]);
    expect(pinnedFingerprints(bpffs)).toEqual(['new']);
    expect(pins.remove()).toHaveLength(2);
    expect(pins.remove()).toEqual([]);
    expect(pins.whole).toBe(false);
  });

  it('removes everything, and is closed then', async () => {
    const pins = PinDirectory.open(bpffs, 'abc');
    await pins.build(fill);
    expect(pins.removeAll()).toHaveLength(2);
    expect(existsSync(path.join(bpffs, 'bpfsvc'))).toBe(false);
    expect(listPins(path.join(bpffs, 'bpfsvc'))).toEqual([]);
    PinDirectory.open(bpffs, 'abc').close();
  });

  it('refuses a directory that is on another file system, and a name that pins cannot have', () => {
    expect(codeOf(() => PinDirectory.open(scratch, 'abc'))).toBe('not-bpffs');
    for (const name of ['', '..', 'a.b', 'a/b', 'abc-partial']) {
      expect(() => PinDirectory.open(bpffs, name)).toThrow(RangeError);
    }
  });

  it('leaves no descriptor behind, locked out or not', () => {
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 100; i++) {
      using pins = PinDirectory.open(bpffs, 'abc');
      expect(codeOf(() => PinDirectory.open(bpffs, pins.whole ? 'x' : 'abc'))).toBe('locked');
    }
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });
});
