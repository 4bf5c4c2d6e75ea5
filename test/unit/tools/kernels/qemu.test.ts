// SPDX-License-Identifier: Apache-2.0
// A VM's command line.

import { describe, expect, it } from 'vitest';
import { qemuArguments } from '../../../../tools/kernels/qemu.ts';

const MACHINE = { accelerator: 'tcg', cpus: 4, memoryMiB: 512, append: 'lockdown=integrity' } as const;
const PARTS = { vmlinuz: '/k', initramfs: '/i', console: '/c' };

function valuesOf(args: readonly string[], option: string): string[] {
  return args.filter((_, index) => args[index - 1] === option);
}

describe('the command line of a VM', () => {
  it('ends with what the boot adds for the kernel', () => {
    expect(valuesOf(qemuArguments(MACHINE, PARTS), '-append')[0]).toMatch(/console=ttyS0 .* lockdown=integrity$/);
  });

  it('keeps the order of disks when there are no modules, and escapes commas', () => {
    const disks = { root: '/r,1', modules: undefined, job: '/j' };
    const drives = valuesOf(qemuArguments(MACHINE, { ...PARTS, disks }), '-drive');
    expect(drives.map((drive) => drive.split(',')[0])).toEqual(['id=root', 'id=modules', 'id=job']);
    expect(drives[0]).toContain('filename=/r,,1,snapshot=on');
    expect(drives[1]).toContain('null-co');
  });

  it('gives the second serial port to the job, which has one only with disks', () => {
    expect(valuesOf(qemuArguments(MACHINE, PARTS), '-serial')).toEqual(['file:/c']);
    const disks = { root: '/r', modules: '/m', job: '/j' };
    expect(valuesOf(qemuArguments(MACHINE, { ...PARTS, disks }), '-serial')).toEqual(['file:/c', 'chardev:job']);
  });
});
