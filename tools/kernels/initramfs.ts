// SPDX-License-Identifier: Apache-2.0
// The first thing that a kernel runs: busybox, the modules that make disks appear, and a script that mounts the root file
// system. Debian's cloud kernels have virtio_blk as a module, so without it there is no disk.

import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { command } from './command.ts';
import { TEST_DIRECTORY } from './paths.ts';

const EARLY_MODULES = ['virtio_pci', 'virtio_blk', 'ext4'];

/** `modules` is a directory as /lib/modules. Without one the kernel has all that is needed built in. */
export async function makeInitramfs(file: string, from?: { modules: string; release: string }): Promise<void> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'bpfsvc-initramfs-'));
  try {
    for (const directory of ['bin', 'dev', 'modules', 'proc', 'root', 'sys']) await mkdir(path.join(root, directory));
    await cp('/bin/busybox', path.join(root, 'bin/busybox'));
    await cp(path.join(TEST_DIRECTORY, 'guest/initramfs'), path.join(root, 'init'));
    await chmod(path.join(root, 'init'), 0o755);
    if (from !== undefined) await copyModules(from.modules, from.release, path.join(root, 'modules'));
    const names = await command('find', ['.'], { cwd: root });
    const archive = await execa('/bin/busybox', ['cpio', '-o', '-H', 'newc', '-R', '0:0'], {
      cwd: root,
      input: `${names}\n`,
      encoding: 'buffer',
    });
    await writeFile(file, archive.stdout);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Numbered in the order in which they must be loaded, and unpacked: busybox loads plain ones only. */
async function copyModules(modules: string, release: string, to: string): Promise<void> {
  const base = path.resolve(modules, '../..');
  const shown = await command('modprobe', ['-d', base, '-S', release, '-a', '--show-depends', ...EARLY_MODULES]);
  const files = new Set(shown.split('\n').flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []));
  for (const [index, file] of [...files].entries()) {
    const name = `${String(index).padStart(2, '0')}-${path.basename(file).replace(/\.(?:xz|zst|gz)$/, '')}`;
    await writeFile(path.join(to, name), await unpacked(file));
  }
}

async function unpacked(file: string): Promise<Uint8Array> {
  const tool = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }[path.extname(file)];
  if (tool === undefined) return readFile(file);
  return (await execa(tool, ['-dc', file], { encoding: 'buffer' })).stdout;
}
