// SPDX-License-Identifier: Apache-2.0
import { release } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Feature } from '../../src/kernel/features.ts';
import { FEATURES, probeDatapathFeatures, probeFeatures } from '../../src/kernel/features.ts';

/** What a machine's set-up decides, whatever its kernel. */
const SETTINGS = new Set(['cgroup2', 'bpffs', 'btf', 'jit', 'unprivileged-bpf', 'lockdown']);

function atLeast(since: string): boolean {
  const [major = 0, minor = 0] = since.replace('Linux ', '').split('.').map(Number);
  const [, ourMajor, ourMinor] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  return Number(ourMajor) > major || (Number(ourMajor) === major && Number(ourMinor) >= minor);
}

const feature = (more: Partial<Feature>): Feature => ({
  id: 'x',
  what: 'a thing',
  needed: 'required',
  since: 'Linux 5.4',
  fallback: 'a substitute',
  probe: () => ({ ok: true, detail: '' }),
  ...more,
});

describe('FEATURES', () => {
  it('has every feature that came with this kernel or an older one', async () => {
    const reports = await probeFeatures(FEATURES.filter(({ id, since }) => !SETTINGS.has(id) && atLeast(since)));
    expect(reports.filter(({ state }) => state !== 'native')).toEqual([]);
    expect(reports.length).toBeGreaterThan(5);
  });

  it('has none that is newer', async () => {
    const reports = await probeFeatures(FEATURES.filter(({ since }) => !atLeast(since)));
    expect(reports.filter(({ state }) => state === 'native')).toEqual([]);
  });

  it('finds cgroup v2 where tests have it', async () => {
    const [report] = await probeFeatures(FEATURES.filter(({ id }) => id === 'cgroup2'));
    expect(report).toMatchObject({ state: 'native', detail: expect.stringMatching(/^\//) as string });
  });

  it('has one row for each id', () => {
    const ids = FEATURES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('probeFeatures', () => {
  const no = (): { ok: boolean; detail: string } => ({ ok: false, detail: '' });

  it('reports what is there as native, and what it uses', async () => {
    const probe = (): { ok: boolean; detail: string } => ({ ok: true, detail: '/sys/fs/x' });
    const report = { id: 'x', state: 'native', detail: '/sys/fs/x', uses: 'a thing' };
    expect(await probeFeatures([feature({ probe })])).toEqual([report]);
  });

  it('reports the substitute of what is only preferred', async () => {
    const detail = 'not in this kernel; came with Linux 5.4';
    const report = { id: 'x', state: 'fallback', detail, uses: 'a substitute' };
    expect(await probeFeatures([feature({ needed: 'preferred', probe: no })])).toEqual([report]);
  });

  it('reports what is required as missing, with the remedy', async () => {
    const detail = 'not in this kernel; came with Linux 5.4; a substitute';
    expect(await probeFeatures([feature({ probe: no })])).toEqual([{ id: 'x', state: 'missing', detail, uses: '' }]);
  });

  it('takes a probe that fails for a no, and says why', async () => {
    const probe = (): never => {
      throw new Error('cannot ask');
    };
    const [report] = await probeFeatures([feature({ needed: 'preferred', probe })]);
    expect(report).toMatchObject({ state: 'fallback', detail: 'cannot ask' });
  });
});

describe('probeDatapathFeatures', () => {
  it('agrees with the table', async () => {
    const states = new Map((await probeFeatures()).map(({ id, state }) => [id, state === 'native']));
    const both = (a: string, b: string): boolean | undefined => states.get(a) === true && states.get(b);
    expect(probeDatapathFeatures()).toEqual({
      tcx: states.get('tcx'),
      setRetval: states.get('set-retval'),
      coarseClock: states.get('coarse-clock'),
      netnsCookie: both('netns-cookie-helper', 'netns-cookie-socket'),
      getpeername: states.get('getpeername'),
      sockRelease: states.get('sock-release'),
    });
  });
});
