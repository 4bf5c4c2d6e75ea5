// SPDX-License-Identifier: Apache-2.0
// Slots on a real datapath: whatever window of them is mapped, a run is where it was written.

import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SlotGeometry } from '../../src/abi/enums.gen.ts';
import { Datapath } from '../../src/datapath/datapath.ts';
import { addon } from '../../src/kernel/addon.ts';
import { ensureBpffs } from '../../src/kernel/pins.ts';
import { provideObject } from '../../src/toolchain/provide.ts';
import { run } from '../support/command.ts';

const SEGMENT_SLOTS = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;

let bpffs = '';
let datapath: Datapath;

async function open(): Promise<Datapath> {
  const { path: object } = await provideObject({ objectLayout: (file) => addon.objectLayout(file) });
  return Datapath.open({ bpffs, object, settings: {}, sizes: { flows4: 1024, flows6: 1024, sockets: 1024 } });
}

beforeEach(async () => {
  bpffs = mkdtempSync(path.join(tmpdir(), 'bpfsvc-slots-'));
  ensureBpffs(bpffs);
  datapath = await open();
});

afterEach(async () => {
  datapath.close();
  await run('umount', [bpffs]);
  rmdirSync(bpffs);
});

describe('a run of slots', () => {
  /** Of the smallest size and the largest, beside each other and far apart, in both segments. */
  const runs = [0, 256, 131_072, SEGMENT_SLOTS - 256, SEGMENT_SLOTS, SEGMENT_SLOTS + 262_144].map((first) => ({
    first,
    count: first % 131_072 === 0 && first % SEGMENT_SLOTS !== 0 ? 131_071 : 251,
  }));

  it('is read as it was written, by this agent and the next', async () => {
    for (const { first, count } of runs) datapath.lb.slots(first, count).fill(first + 1);
    datapath.close();
    datapath = await open();
    for (const { first, count } of [...runs].reverse()) {
      const slots = datapath.lb.slots(first, count);
      expect([slots.length, ...new Set(slots)]).toEqual([count, first + 1]);
    }
    expect(datapath.lb.slots(251, 5)).toEqual(new Uint32Array(5));
    expect(datapath.lb.slotSegments()).toBe(2);
  });

  it('ends where its segment ends', () => {
    expect(datapath.lb.slots(SEGMENT_SLOTS - 3, 251)).toHaveLength(3);
    expect(datapath.lb.slotSegments()).toBe(1);
  });
});
