// SPDX-License-Identifier: Apache-2.0
// What of a kernel's messages is a failure.

import { describe, expect, it } from 'vitest';
import { kernelComplaints, tail } from '../../../../tools/kernels/console.ts';

describe('complaints of a kernel', () => {
  it.each([
    '[    1.0] Kernel panic - not syncing: Attempted to kill init!',
    '[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008',
    '[    1.0] kernel BUG at mm/slub.c:4000!',
    '[    1.0] WARNING: CPU: 0 PID: 1 at net/core/dev.c:123 func+0x1/0x2',
    '[   23.514321] Oops: 0002 [#1] SMP NOPTI',
    '[    1.0] general protection fault, probably for non-canonical address',
    '[    1.0] INFO: task node:12 blocked for more than 120 seconds.',
    'Kernel panic - not syncing: early',
  ])('are seen: %s', (line) => {
    expect(kernelComplaints(`[    0.9] fine\r\n${line}\r\n`)).toEqual([line]);
  });

  it.each([
    '[    0.1] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!',
    '[    0.0] ACPI BIOS Warning (bug): Optional FADT field',
    '[    0.0] debug: BUG hunting',
  ])('are not made of other messages: %s', (line) => {
    expect(kernelComplaints(`${line}\n`)).toEqual([]);
  });
});

it('the tail of a log is its last lines, without the empty ones after them', () => {
  expect(tail('a\r\nb\r\nc\r\n\r\n', 2)).toBe('b\nc');
});
