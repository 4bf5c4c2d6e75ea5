// SPDX-License-Identifier: Apache-2.0
// When a file is believed: with a clock that stands still, on states of files that are made up around real ones.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManifestFiles } from '../../../../src/sources/manifests/manifest-files.ts';
import { DEFAULT_NODE_PORTS } from '../../../../src/sources/manifests/port-range.ts';
import { problemText } from '../../../../src/sources/manifests/problem.ts';
import type { FileState, Walked } from '../../../../src/sources/manifests/walk.ts';
import { service, yaml } from './build.ts';

let directory: string;
let path: string;
let files: ManifestFiles;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  directory = mkdtempSync(join(tmpdir(), 'bpfsvc-files-'));
  path = join(directory, 'web.yaml');
  files = new ManifestFiles(DEFAULT_NODE_PORTS);
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

const old = () => Date.now() - 60_000;
const names = () => files.list().flatMap(({ objects }) => objects.map(({ object }) => object.label));
const pass = (ms: number) => vi.advanceTimersByTime(ms);

function walked(state?: FileState, more: Partial<Walked> = {}): Walked {
  const seen = new Map(state === undefined ? [] : [[path, state]]);
  return { files: seen, directories: new Map(), missing: [], unreadable: new Map(), ...more };
}

function write(...serviceNames: string[]): void {
  writeFileSync(path, yaml(...serviceNames.map((name) => service(name))));
}

async function given(...serviceNames: string[]): Promise<void> {
  write(...serviceNames);
  expect(await files.update(walked({ stamp: '1:1:a', changed: old() }))).toBe(true);
}

describe('a file', () => {
  it('that nobody touched for long is read at once', async () => {
    await given('a');
    expect(names()).toEqual(['Service default/a']);
    expect([files.unsettled, files.due]).toEqual([false, Infinity]);
  });

  it('that is as it was is not read again', async () => {
    await given('a');
    write('b');
    expect(await files.update(walked({ stamp: '1:1:a', changed: old() }))).toBe(false);
    expect(names()).toEqual(['Service default/a']);
  });

  it('written in place is believed when it stays as it is for 40 ms', async () => {
    await given('a');
    write('b');
    const state = { stamp: '1:1:b', changed: Date.now() };
    await files.update(walked(state));
    expect([files.unsettled, files.due]).toEqual([true, 40]);
    pass(39);
    await files.update(walked(state));
    expect(names()).toEqual(['Service default/a']);
    pass(1);
    expect(await files.update(walked(state))).toBe(true);
    expect(names()).toEqual(['Service default/b']);
    expect(files.unsettled).toBe(false);
  });

  it('that is still being written is waited for anew', async () => {
    await given('a');
    write('b');
    for (const stamp of ['1:1:b', '1:1:c', '1:1:d']) {
      pass(39);
      await files.update(walked({ stamp, changed: Date.now() }));
    }
    pass(39);
    await files.update(walked({ stamp: '1:1:d', changed: Date.now() - 39 }));
    expect(names()).toEqual(['Service default/a']);
  });

  it('that was put in the place of another is believed after 5 ms', async () => {
    await given('a');
    write('b');
    const state = { stamp: '1:2:a', changed: Date.now() };
    await files.update(walked(state));
    expect(files.due).toBe(5);
    pass(5);
    await files.update(walked(state));
    expect(names()).toEqual(['Service default/b']);
  });

  it('read within the tick of the clock in which it was written is read again', async () => {
    await given('a');
    write('b');
    const state = { stamp: '1:2:a', changed: Date.now() };
    await files.update(walked(state));
    pass(5);
    await files.update(walked(state));
    expect(files.due).toBe(20);
    write('c');
    pass(20);
    expect(await files.update(walked(state))).toBe(true);
    expect(names()).toEqual(['Service default/c']);
    expect(files.due).toBe(Infinity);
  });

  it('that is gone is believed to be gone after 40 ms', async () => {
    await given('a');
    await files.update(walked());
    pass(39);
    expect(await files.update(walked())).toBe(false);
    expect(names()).toEqual(['Service default/a']);
    pass(1);
    expect(await files.update(walked())).toBe(true);
    expect(names()).toEqual([]);
  });

  it('that goes and comes back, as editors do it, was never gone', async () => {
    await given('a');
    await files.update(walked());
    pass(39);
    write('b');
    const state = { stamp: '1:2:a', changed: Date.now() };
    await files.update(walked(state));
    pass(5);
    await files.update(walked(state));
    expect(names()).toEqual(['Service default/b']);
    pass(100);
    expect(await files.update(walked(state))).toBe(false);
    expect(names()).toEqual(['Service default/b']);
  });

  it('in a directory that cannot be listed is not believed to be gone', async () => {
    await given('a');
    const unreadable = new Map([[directory, new Error('EACCES')]]);
    await files.update(walked(undefined, { unreadable }));
    pass(1000);
    await files.update(walked(undefined, { unreadable }));
    expect(names()).toEqual(['Service default/a']);
  });

  it('that changed and says the same is no change', async () => {
    await given('a');
    expect(await files.update(walked({ stamp: '1:1:b', changed: old() }))).toBe(false);
  });
});

describe('a file that is wrong', () => {
  const next = async (content: string | Buffer): Promise<void> => {
    writeFileSync(path, content);
    await files.update(walked({ stamp: `1:1:${Math.random()}`, changed: old() }));
  };
  const complete = () => files.list().every((file) => file.complete);
  const problems = () => files.list().flatMap((file) => file.problems.map(problemText));

  it.each<[string, string | Buffer, RegExp]>([
    ['half', 'apiVersion: v1\nkind: Service\nmetadata: {na', /web\.yaml:3:\d+: is not YAML: /],
    ['empty', '', /web\.yaml: is empty; write it again, or remove the file to remove its objects$/],
    ['not UTF-8', Buffer.from([0x61, 0xff]), /web\.yaml: is not UTF-8; save it in this encoding$/],
    ['refused', 'kind: Service', /web\.yaml:1:1: Service default\/\(no name\): apiVersion: is missing; write v1$/],
  ])('keeps its last good state when it is %s', async (_, content, expected) => {
    await given('a', 'b');
    await next(content);
    expect(names()).toEqual(['Service default/a', 'Service default/b']);
    expect(problems()).toEqual([expect.stringMatching(expected)]);
    await next(yaml(service('c')));
    expect([names(), problems()]).toEqual([['Service default/c'], []]);
  });

  it('gives what was good in it as long as it was never good as a whole', async () => {
    await next(yaml(service('a'), service('B'), service('c')));
    expect([names(), complete()]).toEqual([['Service default/a', 'Service default/c'], false]);
    await next(yaml(service('d'), service('B'), service('a')));
    expect(names()).toEqual(['Service default/d', 'Service default/a', 'Service default/c']);
    for (const wrong of ['}', '', Buffer.from([0xff])]) {
      await next(wrong);
      expect([names().length, complete()]).toEqual([3, false]);
    }
    await next(yaml(service('e')));
    expect([names(), complete()]).toEqual([['Service default/e'], true]);
    await next(yaml(service('f'), service('B')));
    expect([names(), complete()]).toEqual([['Service default/e'], true]);
  });

  it('may be empty from the beginning, or hold comments only', async () => {
    await next('');
    expect([problems(), complete()]).toEqual([[], false]);
    await given('a');
    expect(complete()).toBe(true);
    await next('# nothing any more\n');
    expect([names(), problems()]).toEqual([[], []]);
  });

  it('that cannot be read is tried again', async () => {
    await given('a');
    rmSync(path);
    const unreadable = join(directory, 'loop.yaml');
    const state = { stamp: '1:3:a', changed: old() };
    const seen = { ...walked({ stamp: '1:1:a', changed: old() }) };
    await files.update({ ...seen, files: new Map([...seen.files, [`${unreadable}\0`, state]]) });
    expect(problems()).toEqual([expect.stringContaining('cannot be read: ')]);
    expect(names()).toEqual(['Service default/a']);
  });
});
