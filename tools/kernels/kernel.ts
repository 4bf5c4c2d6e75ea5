// SPDX-License-Identifier: Apache-2.0
// A kernel ready to boot: its packages unpacked, never installed, and made into what qemu wants. Kept by release in the
// cache; a release is never made twice.

import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { command } from './command.ts';
import { DebianSuite } from './debian.ts';
import { makeImage } from './disk.ts';
import { HarnessError } from './errors.ts';
import { makeInitramfs } from './initramfs.ts';
import { newestKernel, type KernelPackages } from './releases.ts';

export interface Kernel {
  readonly release: string;
  readonly vmlinuz: string;
  /** Brings up the disks. */
  readonly initramfs: string;
  /** An ext4 image of /lib/modules. Undefined: all that is needed is built in. */
  readonly modules: string | undefined;
}

/** Increased when what is made of the packages changes. */
const RECIPE = 2;

/** The newest of the series in the suite; an older one of the cache when the mirror cannot be reached. */
export async function debianKernel(suite: string, series: string, cache: string): Promise<Kernel> {
  const debian = new DebianSuite(suite, path.join(cache, 'apt'));
  const home = path.join(cache, `${suite}-${series}`);
  let wanted: KernelPackages | undefined;
  try {
    wanted = newestKernel(await debian.index(), series);
  } catch (error) {
    const cached = await newestCached(home);
    if (cached === undefined || !(error instanceof HarnessError)) throw error;
    console.error(`kernels: using ${path.basename(cached)} of the cache: ${error.message}`);
    return kernelIn(cached);
  }
  if (wanted === undefined) throw new HarnessError(`Debian ${suite} has no cloud kernel ${series}: correct the matrix`);
  const directory = path.join(home, `${wanted.release}-${RECIPE}`);
  if (!(await exists(path.join(directory, 'release')))) await make(wanted, debian, directory);
  return kernelIn(directory);
}

/** Somebody's own: `modules` is its /lib/modules/RELEASE, without which all that is needed must be built in. */
export async function ownKernel(vmlinuz: string, modules: string | undefined, directory: string): Promise<Kernel> {
  const initramfs = path.join(directory, 'initramfs');
  if (modules === undefined) {
    await makeInitramfs(initramfs);
    return { release: path.basename(vmlinuz), vmlinuz, initramfs, modules: undefined };
  }
  const release = path.basename(modules);
  const tree = path.join(directory, 'lib/modules');
  await mkdir(tree, { recursive: true });
  await cp(modules, path.join(tree, release), { recursive: true, verbatimSymlinks: true });
  await rm(path.join(tree, release, 'build'), { force: true });
  await command('depmod', ['-b', directory, release]);
  await makeInitramfs(initramfs, { modules: tree, release });
  await makeImage(tree, path.join(directory, 'modules.img'));
  return { release, vmlinuz, initramfs, modules: path.join(directory, 'modules.img') };
}

async function make(wanted: KernelPackages, debian: DebianSuite, directory: string): Promise<void> {
  console.error(`kernels: downloading Linux ${wanted.release}`);
  const home = path.dirname(directory);
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(path.join(home, '.making-'));
  try {
    const tree = path.join(work, 'tree');
    for (const file of await debian.download(wanted.packages, path.join(work, 'debs'))) {
      await command('dpkg-deb', ['-x', file, tree]);
    }
    const made = path.join(work, 'made');
    await mkdir(made);
    await cp(await findVmlinuz(tree, wanted.release), path.join(made, 'vmlinuz'));
    const modules = await arrangeModules(tree, wanted.release, path.join(work, 'modules'));
    await makeInitramfs(path.join(made, 'initramfs'), { modules, release: wanted.release });
    await makeImage(modules, path.join(made, 'modules.img'));
    await writeFile(path.join(made, 'release'), wanted.release);
    await rm(directory, { recursive: true, force: true });
    await rename(made, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  await forgetOthers(home, path.basename(directory));
}

async function findVmlinuz(tree: string, release: string): Promise<string> {
  const modules = path.join(tree, 'usr/lib/modules', release);
  const places = [
    path.join(tree, 'boot', `vmlinuz-${release}`),
    path.join(modules, 'vmlinuz'),
    path.join(modules, 'vmlinuz.unsigned'),
  ];
  for (const file of places) if (await exists(file)) return file;
  throw new HarnessError(`the packages of Linux ${release} have no vmlinuz where Debian puts it`);
}

/** One directory as of /lib/modules, with the indexes that installing would have made. */
async function arrangeModules(tree: string, release: string, to: string): Promise<string> {
  await mkdir(path.join(to, 'lib/modules'), { recursive: true });
  const directory = path.join(to, 'lib/modules', release);
  for (const from of ['lib/modules', 'usr/lib/modules']) {
    const found = path.join(tree, from, release);
    if (await exists(found)) await rename(found, directory);
  }
  await command('depmod', ['-b', to, release]);
  return path.join(to, 'lib/modules');
}

async function kernelIn(directory: string): Promise<Kernel> {
  return {
    release: await readFile(path.join(directory, 'release'), 'utf8'),
    vmlinuz: path.join(directory, 'vmlinuz'),
    initramfs: path.join(directory, 'initramfs'),
    modules: path.join(directory, 'modules.img'),
  };
}

async function newestCached(home: string): Promise<string | undefined> {
  if (!(await exists(home))) return undefined;
  const found = (await readdir(home)).filter((name) => !name.startsWith('.')).sort();
  const last = found.at(-1);
  return last === undefined ? undefined : path.join(home, last);
}

/** A running VM keeps the files that it has open. */
async function forgetOthers(home: string, kept: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (name !== kept && !name.startsWith('.')) await rm(path.join(home, name), { recursive: true, force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
