// SPDX-License-Identifier: Apache-2.0
// File systems for a VM out of directories, and back, with e2fsprogs: neither root nor a mount is needed.

import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { command } from './command.ts';

const MEBIBYTE = 1 << 20;

/** An ext4 image with the contents of the directory and `spareMiB` of room. The file is sparse. */
export async function makeImage(directory: string, image: string, spareMiB = 16): Promise<void> {
  const bytes = Number((await command('du', ['-s', '--block-size=1', directory])).split('\t')[0]);
  const files = (await command('find', [directory, '-printf', '.'])).length;
  const size = Math.ceil((bytes * 1.05) / MEBIBYTE) + spareMiB + 16;
  const making = `${image}.making-${process.pid}`;
  await mkdir(path.dirname(image), { recursive: true });
  try {
    await command('mke2fs', [
      ...['-q', '-F', '-t', 'ext4', '-m', '0', '-O', '^has_journal', '-N', String(files + 4096)],
      ...['-E', 'lazy_itable_init=0,root_owner=0:0', '-d', directory, making, `${size}M`],
    ]);
    await rename(making, image);
  } finally {
    await rm(making, { force: true });
  }
}

/** Copies a directory out of an image; what a VM had not yet written when it died is missing. */
export async function readImage(image: string, directory: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await command('debugfs', ['-R', `rdump ${directory} ${to}`, image]);
}
