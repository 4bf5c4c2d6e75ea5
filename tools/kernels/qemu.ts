// SPDX-License-Identifier: Apache-2.0
// The command line of a VM. Pure. Disks: vda root (writes are dropped), vdb modules, vdc the job. Serial ports: the
// kernel's messages to a file, the job's output to qemu's own.

import type { Accelerator } from './accelerator.ts';

export interface Machine {
  readonly accelerator: Accelerator;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Added to the kernel's command line. */
  readonly append: string;
}

export interface Parts {
  readonly vmlinuz: string;
  readonly initramfs: string;
  /** A file, or `stdio`. */
  readonly console: string;
  /** Without them the VM comes no further than the initramfs. */
  readonly disks?: Disks;
}

export interface Disks {
  readonly root: string;
  readonly modules: string | undefined;
  readonly job: string;
}

/** A panic or an oops ends the VM; one that the host gives no time looks neither locked up nor without a timer. */
const COMMAND_LINE = [
  ...['no_timer_check', 'tsc=reliable'],
  ...['console=ttyS0', 'panic=-1', 'oops=panic', 'nowatchdog', 'rcupdate.rcu_cpu_stall_suppress=1'],
  ...['mitigations=off', 'nokaslr', 'random.trust_cpu=on', 'net.ifnames=0'],
].join(' ');

/** Emulated: neither five levels of pages, which only cost, nor protection keys, which V8 would use and died of. */
const CPU = { kvm: 'host', tcg: 'max,la57=off,pku=off' };

export function qemuArguments(machine: Machine, parts: Parts): string[] {
  const { accelerator, cpus, memoryMiB, append } = machine;
  return [
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=512'],
    ...['-M', 'q35', '-cpu', CPU[accelerator]],
    ...['-smp', String(cpus), '-m', String(memoryMiB)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-kernel', parts.vmlinuz, '-initrd', parts.initramfs, '-append', `${COMMAND_LINE} ${append}`.trim()],
    ...['-serial', parts.console === 'stdio' ? 'stdio' : `file:${parts.console}`],
    ...(parts.disks === undefined ? [] : diskArguments(parts.disks)),
  ];
}

function diskArguments({ root, modules, job }: Disks): string[] {
  const file = (name: string): string => `driver=raw,file.driver=file,file.filename=${name.replaceAll(',', ',,')}`;
  return [
    ...disk('root', `${file(root)},snapshot=on`),
    // An empty one keeps the third one third.
    ...disk('modules', modules === undefined ? 'driver=null-co,size=1048576' : `${file(modules)},readonly=on`),
    ...disk('job', `${file(job)},cache=unsafe`),
    ...['-chardev', 'stdio,id=job,signal=off', '-serial', 'chardev:job'],
  ];
}

function disk(id: string, options: string): string[] {
  return ['-drive', `id=${id},if=none,${options}`, '-device', `virtio-blk-pci,drive=${id}`];
}
