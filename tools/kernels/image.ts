// SPDX-License-Identifier: Apache-2.0
// The one root file system image, for all kernels: userland, Node, the product as built here, the tests. Made again when
// any file of it has changed; a running VM keeps its own.

import { createHash } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { command } from './command.ts';
import { makeImage } from './disk.ts';
import { HarnessError } from './errors.ts';
import { testObjects } from './objects.ts';
import { ROOT, TEST_DIRECTORY, WORK_DIRECTORY } from './paths.ts';
import { makeUserland, userlandPackages } from './userland.ts';

const BUILT = ['dist', 'native/build/Release/bpfsvc.node'];

/** For building and checking only: a third of node_modules. */
const UNNEEDED_MODULES =
  /\/node_modules\/(?:@types|@typescript-eslint|eslint|node-gyp|prettier|typescript)$|\/include$/;

/** The path of the image. Root in the VM may write to it; nobody sees it afterwards. */
export async function rootImage(): Promise<string> {
  const image = path.join(WORK_DIRECTORY, 'rootfs.img');
  const packages = await userlandPackages();
  const objects = await testObjects();
  const files = await productFiles();
  const key = await keyOf(packages, files);
  if ((await readIfThere(`${image}.key`)) === key) return image;

  const userland = await cachedUserland(packages);
  const root = path.join(WORK_DIRECTORY, `root-${process.pid}`);
  try {
    await command('cp', ['-al', userland, root]);
    await addProduct(root, files);
    await cp(objects, path.join(root, 'bpfsvc/.cache/objects'), { recursive: true });
    await makeImage(root, image, 256);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  await writeFile(`${image}.key`, key);
  return image;
}

async function cachedUserland(packages: readonly string[]): Promise<string> {
  const directory = path.join(WORK_DIRECTORY, 'userland');
  const key = packages.join('\n');
  if ((await readIfThere(`${directory}.key`)) === key) return directory;
  await rm(directory, { recursive: true, force: true });
  await makeUserland(directory, packages);
  await writeFile(`${directory}.key`, key);
  return directory;
}

async function addProduct(root: string, files: readonly string[]): Promise<void> {
  const home = path.join(root, 'bpfsvc');
  for (const file of files) {
    await mkdir(path.dirname(path.join(home, file)), { recursive: true });
    await cp(path.join(ROOT, file), path.join(home, file), { verbatimSymlinks: true });
  }
  await cp(path.join(ROOT, 'node_modules'), path.join(home, 'node_modules'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !UNNEEDED_MODULES.test(source),
  });
  await cp(path.join(TEST_DIRECTORY, 'guest/init'), path.join(root, 'sbin/init'));
  await chmod(path.join(root, 'sbin/init'), 0o755);
  await symlink('/bpfsvc/node_modules/node/bin/node', path.join(root, 'usr/bin/node'));
  await symlink('/bpfsvc/bin/bpfsvc', path.join(root, 'usr/bin/bpfsvc'));
}

/** Relative to the clone: what git knows or would know, and what has been built. */
async function productFiles(): Promise<string[]> {
  const known = await command('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  const files = known.split('\0').filter((file) => file !== '');
  for (const built of BUILT) files.push(...(await filesUnder(built)));
  const present: string[] = [];
  for (const file of new Set(files)) {
    if ((await lstatIfThere(path.join(ROOT, file)))?.isFile() === true) present.push(file);
  }
  return present.sort();
}

async function filesUnder(name: string): Promise<string[]> {
  const found = await lstatIfThere(path.join(ROOT, name));
  if (found === undefined) throw new HarnessError(`${name} has not been built: run make build`);
  if (!found.isDirectory()) return [name];
  const entries = await readdir(path.join(ROOT, name), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)));
}

async function keyOf(packages: readonly string[], files: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(packages.join('\n'));
  const also = ['node_modules/.package-lock.json', 'node_modules/.bpfsvc-installed'];
  for (const file of [...files, ...also]) {
    const found = await lstatIfThere(path.join(ROOT, file));
    hash.update(`${file} ${found?.size ?? 0} ${found?.mtimeMs ?? 0}\n`);
  }
  return hash.digest('hex');
}

async function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}

function lstatIfThere(file: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  return lstat(file).catch(() => undefined);
}
