// SPDX-License-Identifier: Apache-2.0
// One boot: gives a VM its job on a disk, lets it run until it ends or its time is over, and takes back what it has left
// there. It knows nothing of suites.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { makeImage, readImage } from './disk.ts';
import type { Kernel } from './kernel.ts';
import { type Machine, qemuArguments } from './qemu.ts';

export interface Boot {
  readonly kernel: Kernel;
  readonly machine: Machine;
  readonly root: string;
  /** A bash script, run in /bpfsvc. Undefined: a shell on this terminal. */
  readonly script: string | undefined;
  /** The kernel's in the matrix, for tests that expect something of it. */
  readonly name: string | undefined;
  /** The version of the only cgroup hierarchy. */
  readonly cgroup: 1 | 2;
  /** Where the console's log and the job's results go. */
  readonly directory: string;
  readonly limitSeconds: number | undefined;
  /** Each piece of the job's output. Undefined: it goes to this process's. */
  readonly onOutput?: (text: string) => void;
}

export interface Ended {
  /** Of the script. Undefined: it did not come to its end. */
  readonly status: number | undefined;
  readonly timedOut: boolean;
  readonly seconds: number;
  /** What the kernel said, whole. */
  readonly console: string;
}

/** Room for results on the job's disk. */
const RESULTS_MIB = 256;

export async function boot(options: Boot): Promise<Ended> {
  const { directory, limitSeconds, onOutput } = options;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const console = path.join(directory, 'console.log');
  const work = await mkdtemp(path.join(os.tmpdir(), 'bpfsvc-vm-'));
  const started = performance.now();
  try {
    const job = path.join(work, 'job.img');
    await makeJob(options, path.join(work, 'job'), job);
    const { kernel, machine, root } = options;
    const args = qemuArguments(machine, { ...kernel, console, disks: { root, modules: kernel.modules, job } });
    const qemu = execa('qemu-system-x86_64', args, {
      stdin: options.script === undefined ? 'inherit' : 'ignore',
      stdout: onOutput === undefined ? 'inherit' : 'pipe',
      stderr: ['inherit', 'pipe'],
      buffer: { stdout: false },
      reject: false,
      ...(limitSeconds === undefined ? {} : { timeout: limitSeconds * 1000, killSignal: 'SIGKILL' }),
    });
    if (onOutput !== undefined) qemu.stdout?.setEncoding('utf8').on('data', onOutput);
    const result = await qemu;
    await readImage(job, '/results', directory);
    return {
      status: await statusIn(path.join(directory, 'results/status')),
      timedOut: result.timedOut,
      seconds: (performance.now() - started) / 1000,
      console: await readFile(console, 'utf8').catch(() => ''),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** An emulated machine is that many times slower, and more: deadlines of tests are guards, not measures. */
const PATIENCE = { kvm: 2, tcg: 15 };

async function makeJob({ script, cgroup, name, machine }: Boot, directory: string, image: string): Promise<void> {
  await mkdir(path.join(directory, 'results'), { recursive: true });
  const settings = {
    MODE: script === undefined ? 'shell' : 'run',
    CGROUP: cgroup,
    PATIENCE: PATIENCE[machine.accelerator],
    KERNEL: `'${name ?? ''}'`,
    ROWS: process.stdout.isTTY ? process.stdout.rows : 24,
    COLUMNS: process.stdout.isTTY ? process.stdout.columns : 80,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(path.join(directory, 'settings'), lines.join(''));
  await writeFile(path.join(directory, 'command'), `${script ?? ''}\n`);
  await makeImage(directory, image, RESULTS_MIB);
}

async function statusIn(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text === '' ? undefined : Number(text);
}
