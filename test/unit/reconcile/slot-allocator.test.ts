// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SlotGeometry } from '../../../src/abi/enums.gen.ts';
import { SlotAllocator } from '../../../src/reconcile/slot-allocator.ts';

const SEGMENT = SlotGeometry.SlotsPerBlock * SlotGeometry.BlocksPerSegment;
const SIZES = [251, 509, 1021, 2039, 65521, 131071];

describe('the slot allocator', () => {
  test('never lends a slot twice, begins runs at blocks, keeps them in a segment, and gets everything back', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom(...SIZES), fc.boolean(), fc.nat()), { maxLength: 120 });
    fc.assert(
      fc.property(steps, (sequence) => {
        const slots = new SlotAllocator(8);
        const lent: { first: number; length: number }[] = [];
        for (const [length, give, which] of sequence) {
          if (!give && lent.length > 0) {
            const [run] = lent.splice(which % lent.length, 1);
            if (run !== undefined) slots.free(run.first, run.length);
            continue;
          }
          const first = slots.allocate(length);
          expect(first % SlotGeometry.SlotsPerBlock).toBe(0);
          expect(Math.floor(first / SEGMENT)).toBe(Math.floor((first + length - 1) / SEGMENT));
          for (const run of lent) expect(first + length <= run.first || first >= run.first + run.length).toBe(true);
          lent.push({ first, length });
        }
        const restored = new SlotAllocator(8);
        restored.restore(slots.segments, lent);
        for (const allocator of [slots, restored]) {
          for (const { first, length } of lent) allocator.free(first, length);
          // All merged again: as many whole segments as there were, without a new one.
          for (let i = 0; i < slots.segments; i++) allocator.allocate(SEGMENT);
          expect(allocator.segments).toBe(slots.segments);
        }
      }),
    );
  });

  test('says when the segments are used up', () => {
    const slots = new SlotAllocator(1);
    slots.allocate(SEGMENT);
    expect(() => slots.allocate(251)).toThrow('no 251 contiguous slots are free in 1 segments');
  });
});
