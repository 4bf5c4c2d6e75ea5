// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { compareCounts, readRecord, withCounts } from '../../kernels/instructions.ts';

const record = { tc_egress: { '5.10': 1000, '6.1': 900 }, tc_ingress: { '5.10': 500 } };

describe('compareCounts', () => {
  it('lets a fifth more pass, and any less', () => {
    expect(compareCounts(record, '5.10', { tc_egress: 1200, tc_ingress: 20 })).toEqual([]);
  });

  it('tells what has grown by more, and by how much', () => {
    expect(compareCounts(record, '5.10', { tc_egress: 1201, tc_ingress: 1000 })).toEqual([
      'tc_egress takes 20 % more: 1201 instead of 1000',
      'tc_ingress takes 100 % more: 1000 instead of 500',
    ]);
  });

  it('tells what came and what went, of this kernel alone', () => {
    expect(compareCounts(record, '6.1', { tc_ingress: 7, xdp_lb: 8 })).toEqual([
      'tc_egress is in the record and no longer there',
      'tc_ingress is not in the record: 7 instructions',
      'xdp_lb is not in the record: 8 instructions',
    ]);
  });
});

describe('withCounts', () => {
  it("puts one kernel's counts beside the others', in order, and forgets programs that are gone", () => {
    const next = withCounts(record, '6.12', { xdp_lb: 3, tc_egress: 800 });
    expect(next).toEqual({ tc_egress: { '5.10': 1000, '6.1': 900, '6.12': 800 }, xdp_lb: { '6.12': 3 } });
    expect(Object.keys(next)).toEqual(['tc_egress', 'xdp_lb']);
    expect(Object.keys(withCounts(next, '6.1', { tc_egress: 1 })['tc_egress'] ?? {})).toEqual(['5.10', '6.1', '6.12']);
  });
});

describe('the record', () => {
  it('has a count for every program and kernel', () => {
    const rows = Object.values(readRecord());
    expect(new Set(rows.map((kernels) => Object.keys(kernels).join(' '))).size).toBe(1);
    expect(rows.flatMap((kernels) => Object.values(kernels)).every((count) => count > 0)).toBe(true);
  });
});
