// SPDX-License-Identifier: Apache-2.0
// One command or a prompt on one kernel, which may be one's own.

import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { kernelComplaints, tail } from './console.ts';
import type { Kernel } from './kernel.ts';
import { ownKernel } from './kernel.ts';
import type { BootProfile } from './matrix.ts';
import { WORK_DIRECTORY } from './paths.ts';
import type { Session } from './session.ts';
import { boot } from './vm.ts';

export interface TryOptions {
  readonly kernel: string;
  readonly image: string | undefined;
  readonly modules: string | undefined;
  /** Whether tests shall expect what the matrix says of the kernel. */
  readonly named: boolean;
  readonly profile: BootProfile;
  /** Undefined: a shell. */
  readonly command: string | undefined;
  readonly limitSeconds: number | undefined;
}

const RUNS = path.join(WORK_DIRECTORY, 'runs');

export interface Tried {
  /** Of the command; 1 when that was not to be had. */
  readonly status: number;
  /** What the command has left in /job/results. */
  readonly results: string;
}

export async function tryKernel(session: Session, options: TryOptions): Promise<Tried> {
  const { profile, command, limitSeconds, image } = options;
  await mkdir(RUNS, { recursive: true });
  const made = await mkdtemp(path.join(RUNS, '.kernel-'));
  try {
    const kernel = image === undefined ? await ofMatrix(session, options.kernel) : await own(options, image, made);
    const name = image === undefined ? session.kernelName(options.kernel) : 'own';
    const directory = path.join(RUNS, `${name}-${process.pid}`);
    const ended = await boot({
      kernel,
      machine: await session.machine(kernel, profile),
      root: await session.image(),
      script: command,
      name: image === undefined && options.named ? name : undefined,
      cgroup: profile.cgroup,
      directory,
      limitSeconds,
    });
    const complaints = kernelComplaints(ended.console);
    const results = path.join(directory, 'results');
    if (ended.status !== undefined && complaints.length === 0) return { status: ended.status, results };
    console.error(tail(ended.console, 40));
    for (const line of complaints) console.error(`kernels: the kernel says ${line}`);
    const what = ended.timedOut ? 'out of time' : 'the VM has not done its job';
    console.error(`kernels: ${complaints.length > 0 ? 'failed' : what}; console log: ${directory}/console.log`);
    return { status: 1, results };
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

async function ofMatrix(session: Session, name: string): Promise<Kernel> {
  return session.kernel(session.kernelName(name));
}

async function own({ modules }: TryOptions, image: string, directory: string): Promise<Kernel> {
  return ownKernel(await realpath(image), modules === undefined ? undefined : await realpath(modules), directory);
}
