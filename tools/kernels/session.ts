// SPDX-License-Identifier: Apache-2.0
// What all VMs of one call share: the matrix, the image, the accelerator, and the kernels once they are there.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Accelerator, findAccelerator } from './accelerator.ts';
import { HarnessError } from './errors.ts';
import { rootImage } from './image.ts';
import { debianKernel, type Kernel } from './kernel.ts';
import { type BootProfile, type Matrix, parseMatrix } from './matrix.ts';
import { cacheDirectory, TEST_DIRECTORY } from './paths.ts';
import type { Machine } from './qemu.ts';

export class Session {
  readonly matrix: Matrix;
  readonly #cache = cacheDirectory();
  readonly #kernels = new Map<string, Promise<Kernel>>();
  #image: Promise<string> | undefined;
  #accelerator: Promise<Accelerator> | undefined;

  private constructor(matrix: Matrix) {
    this.matrix = matrix;
  }

  static async open(): Promise<Session> {
    const file = path.join(TEST_DIRECTORY, 'matrix.yaml');
    return new Session(parseMatrix(await readFile(file, 'utf8'), file));
  }

  /** Of the matrix; `oldest` and `newest` are its first and its last. */
  kernelName(name: string): string {
    const names = Object.keys(this.matrix.kernels);
    const meant = { oldest: names[0], newest: names.at(-1) }[name] ?? name;
    if (names.includes(meant)) return meant;
    throw new HarnessError(`the matrix has no kernel ${name}; known: ${names.join(' ')} oldest newest`);
  }

  async kernel(name: string): Promise<Kernel> {
    const wanted = this.matrix.kernels[name];
    if (wanted === undefined) throw new HarnessError(`the matrix has no kernel ${name}`);
    const kernel = this.#kernels.get(name) ?? debianKernel(wanted.debian, wanted.series, this.#cache);
    this.#kernels.set(name, kernel);
    return kernel;
  }

  /** Brings kernels, all when none is named, so that what comes after needs no mirror. */
  async fetch(names: readonly string[]): Promise<void> {
    const wanted = names.length > 0 ? names.map((name) => this.kernelName(name)) : Object.keys(this.matrix.kernels);
    for (const name of wanted) await this.kernel(name);
  }

  profile(name: string): BootProfile {
    const profile = this.matrix.boots[name];
    if (profile !== undefined) return profile;
    throw new HarnessError(`the matrix has no boot ${name}; known: ${Object.keys(this.matrix.boots).join(' ')}`);
  }

  /** Made once. */
  image(): Promise<string> {
    this.#image ??= rootImage();
    return this.#image;
  }

  async machine(kernel: Kernel, profile: BootProfile): Promise<Machine> {
    this.#accelerator ??= findAccelerator(kernel, this.#cache);
    const { cpus, memory, append } = profile;
    return { accelerator: await this.#accelerator, cpus, memoryMiB: memory, append };
  }
}
