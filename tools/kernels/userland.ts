// SPDX-License-Identifier: Apache-2.0
// A VM's userland: the files of a few packages of this machine and of what they depend on. Taken from here and not from a
// mirror, because the addon was linked here: its libbpf and its C library must be the same there.

import { mkdir, readdir, readlink, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { command } from './command.ts';
import { ROOT } from './paths.ts';

const MERGED = ['bin', 'sbin', 'lib', 'lib64'];
const EMPTY = ['bpfsvc', 'dev', 'etc', 'job', 'mnt', 'proc', 'root', 'run', 'sys', 'tmp', 'usr/lib/modules', 'var/tmp'];
const UNNEEDED =
  /^\/usr\/share\/(?:bug|doc|doc-base|info|lintian|locale|man|menu|perl5|i18n|zoneinfo)\/|\/gconv\/|^\/etc\/alternatives\//;

const ETC = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  group: 'root:x:0:\nnogroup:x:65534:\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  hostname: 'vm\n',
  'nsswitch.conf': 'hosts: files\n',
};

/** Packages with their versions, sorted: what the userland is made of, and when it has changed. */
export async function userlandPackages(): Promise<string[]> {
  const listed = await command('sed', ['-n', 's/^guest: *//p', path.join(ROOT, 'tools/packages')]);
  const only = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const tree = await command('apt-cache', ['depends', '--recurse', '--installed', ...only, ...listed.split(/\s+/)]);
  const names = tree.split('\n').flatMap((line) => /^[a-z0-9][^:\s]*/.exec(line)?.[0] ?? []);
  const installed = await command('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Package} ${Version}\n']);
  const wanted = new Set(names);
  return installed
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([status, name]) => status === 'installed' && wanted.has(name ?? ''))
    .map(([, name, version]) => `${name ?? ''} ${version ?? ''}`)
    .sort();
}

/** Fills an empty directory. */
export async function makeUserland(root: string, packages: readonly string[]): Promise<void> {
  for (const name of MERGED) {
    await mkdir(path.join(root, 'usr', name), { recursive: true });
    await symlink(`usr/${name}`, path.join(root, name));
  }
  for (const name of EMPTY) await mkdir(path.join(root, name), { recursive: true });
  const files = await filesOf(packages.map((line) => line.split(' ')[0] ?? ''));
  await copy(files, root);
  await copyAlternatives(root);
  for (const [name, text] of Object.entries(ETC)) await writeFile(path.join(root, 'etc', name), text);
  if (!(await isThere(path.join(root, 'bin/sh')))) await symlink('dash', path.join(root, 'bin/sh'));
  await command('ldconfig', ['-r', root]);
}

/** By the directories' real paths: packages still say /bin where /usr/bin is meant. */
async function filesOf(packages: readonly string[]): Promise<string[]> {
  const listed = (await command('dpkg-query', ['--listfiles', ...packages])).split('\n');
  const directories = new Map<string, string>();
  const files = new Set<string>();
  for (const file of new Set(listed)) {
    if (!file.startsWith('/') || UNNEEDED.test(file)) continue;
    const parent = path.dirname(file);
    const known = directories.get(parent) ?? (await realpath(parent).catch(() => parent));
    directories.set(parent, known);
    files.add(path.join(known, path.basename(file)));
  }
  return [...files];
}

async function copy(files: readonly string[], root: string): Promise<void> {
  const script = `tar --create --no-recursion --null --files-from=- --ignore-failed-read --warning=none --exclude-from=/dev/null \\
    | tar --extract --directory="$1" --keep-directory-symlink --no-same-owner`;
  const present: string[] = [];
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() === true) present.push(file.slice(1));
  }
  await command('sh', ['-c', script, 'sh', root], { cwd: '/', input: present.join('\0') });
}

/** Names such as awk and iptables belong to no package. */
async function copyAlternatives(root: string): Promise<void> {
  for (const directory of ['/usr/bin', '/usr/sbin']) {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (!entry.isSymbolicLink()) continue;
      const file = path.join(directory, entry.name);
      if (!(await readlink(file)).startsWith('/etc/alternatives/')) continue;
      const meant = await realpath(file).catch(() => undefined);
      if (meant === undefined || !(await isThere(path.join(root, meant)))) continue;
      await symlink(meant, path.join(root, file));
    }
  }
}

function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
