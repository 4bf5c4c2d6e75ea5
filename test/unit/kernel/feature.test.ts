// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Answer, Preferred, Required, Unused } from '../../../src/kernel/features/feature.ts';
import { probeAll } from '../../../src/kernel/features/feature.ts';

const yes = (): Answer => ({ ok: true, detail: '/sys/fs/x' });
const no = (): Answer => ({ ok: false, detail: '' });
const fails = (): never => {
  throw new Error('cannot ask');
};

const common = { id: 'x', what: 'a thing', since: 'Linux 5.4' };
const required: Required = { ...common, needed: 'required', remedy: 'buy one', probe: yes };
const preferred: Preferred = { ...common, needed: 'preferred', fallback: 'a substitute', probe: yes };
const unused: Unused = { ...common, needed: 'unused', instead: 'another thing', probe: yes };

describe('probeAll', () => {
  it('reports what is there as native, and what it uses', async () => {
    const report = { id: 'x', probed: 'yes', state: 'native', detail: '/sys/fs/x', uses: 'a thing' };
    expect(await probeAll([required, preferred])).toEqual([report, report]);
  });

  it('reports the substitute of what is only preferred', async () => {
    const report = { id: 'x', probed: 'no', state: 'fallback', detail: 'came with Linux 5.4', uses: 'a substitute' };
    const substitute = { remedy: 'mend it', probe: yes };
    const features = [
      { ...preferred, probe: no },
      { ...preferred, probe: no, substitute },
    ];
    expect(await probeAll(features)).toEqual([report, report]);
  });

  it('refuses what is required, and what is preferred with a substitute that lacks as well, with the remedy', async () => {
    const substitute = { remedy: 'mend it', probe: (): Answer => ({ ok: false, detail: 'it is broken' }) };
    const features = [
      { ...required, probe: no },
      { ...preferred, probe: no, substitute },
    ];
    const report = { id: 'x', probed: 'no', state: 'refused', uses: '' };
    expect(await probeAll(features)).toEqual([
      { ...report, detail: 'came with Linux 5.4; buy one' },
      { ...report, detail: 'came with Linux 5.4; it is broken; mend it' },
    ]);
  });

  it('tells of what nothing uses whether it is there, and what is done instead', async () => {
    const report = { id: 'x', state: 'unused', uses: 'another thing' };
    expect(await probeAll([unused, { ...unused, probe: no }])).toEqual([
      { ...report, probed: 'yes', detail: '/sys/fs/x' },
      { ...report, probed: 'no', detail: 'came with Linux 5.4' },
    ]);
  });

  it('does not take a probe that fails for an answer, and counts on nothing', async () => {
    const features = [required, preferred, unused].map((feature) => ({ ...feature, probe: fails }));
    const reports = await probeAll(features);
    expect(reports).toMatchObject([
      { probed: 'unknown', state: 'refused', detail: 'cannot ask; buy one' },
      { probed: 'unknown', state: 'fallback', detail: 'cannot ask' },
      { probed: 'unknown', state: 'unused', detail: 'cannot ask' },
    ]);
  });
});
