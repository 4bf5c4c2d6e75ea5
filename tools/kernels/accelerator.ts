// SPDX-License-Identifier: Apache-2.0
// KVM where it works, else TCG. Found out by booting a kernel as far as our own first process: there are machines with a
// /dev/kvm on which qemu aborts, and some on which a boot sector runs and a kernel hangs.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { qemuArguments } from './qemu.ts';

export type Accelerator = 'kvm' | 'tcg';

export interface Bootable {
  readonly vmlinuz: string;
  readonly initramfs: string;
}

/** guest/initramfs ends here when it is told to. */
const PROBE = 'bpfsvc.probe';

/** Ten times what it takes where it works. Slower than that is no better than TCG. */
const LIMIT_MS = 20_000;

/** Asked once per boot of this machine. */
export async function findAccelerator(kernel: Bootable, cache: string): Promise<Accelerator> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const file = path.join(cache, 'accelerator');
  const [known, what] = (await readFile(file, 'utf8').catch(() => '')).trim().split(' ');
  if (known === boot) return what === 'kvm' ? 'kvm' : 'tcg';
  const found = (await boots('kvm', kernel)) ? 'kvm' : 'tcg';
  await mkdir(cache, { recursive: true });
  await writeFile(file, `${boot} ${found}\n`);
  return found;
}

/** Whether a VM comes up with this accelerator at all. */
export async function boots(accelerator: Accelerator, kernel: Bootable): Promise<boolean> {
  const args = qemuArguments({ accelerator, cpus: 2, memoryMiB: 512, append: PROBE }, { ...kernel, console: 'stdio' });
  const result = await execa('qemu-system-x86_64', args, {
    stdin: 'ignore',
    reject: false,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  return !result.failed && result.stdout.includes(`${PROBE}: here`);
}
