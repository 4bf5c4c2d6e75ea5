// SPDX-License-Identifier: Apache-2.0
// What a cluster leaves in the kernel, by prefix: finding it and removing it. Synchronous, so that the same code cleans up
// after a test, in an exit handler, and after a run that was killed. It removes only what carries a prefix made here.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The maker's process id is part of the name, so that leftovers of a dead process can be told from a living one's. */
const PREFIX = /^bpfsvc-(\d+)-[0-9a-f]{6}\b/;
const NETNS_DIR = '/run/netns';

const active = new Set<string>();
let installed = false;

/** A fresh prefix; whatever carries it is removed when this process ends, unless `removeEverything` came first. */
export function claimPrefix(): string {
  installExitHandlers();
  const prefix = `bpfsvc-${process.pid}-${randomBytes(3).toString('hex')}`;
  active.add(prefix);
  return prefix;
}

export function scratchDirectory(prefix: string): string {
  return join(tmpdir(), prefix);
}

/** Names of namespaces, cgroups, mounts and directories that carry the prefix. */
export function findLeftovers(prefix: string): string[] {
  return [
    ...namespacesOf(prefix).map((name) => `network namespace ${name}`),
    ...cgroupsOf(prefix).map((path) => `cgroup ${path}`),
    ...mountsOf(prefix).map((path) => `mount ${path}`),
    ...(existsSync(scratchDirectory(prefix)) ? [`directory ${scratchDirectory(prefix)}`] : []),
  ];
}

/** Ends the processes in the prefix's cgroups and removes everything; throws with what would not go. */
export function removeEverything(prefix: string): void {
  const cgroups = cgroupsOf(prefix);
  for (const cgroup of cgroups) endProcesses(cgroup);
  // A process that was killed keeps its files, and by them a mount busy, until it has left its cgroup.
  for (const cgroup of cgroups) awaitEmpty(cgroup);
  for (const path of mountsOf(prefix).reverse()) execFileSync('umount', [path]);
  const namespaces = namespacesOf(prefix);
  if (namespaces.length > 0) {
    execFileSync('ip', ['-batch', '-'], { input: namespaces.map((name) => `netns del ${name}\n`).join('') });
  }
  for (const cgroup of cgroups) rmdirSync(cgroup);
  rmSync(scratchDirectory(prefix), { recursive: true, force: true });
  active.delete(prefix);
  const left = findLeftovers(prefix);
  if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
}

/** Removes what processes that no longer exist could not. */
export function sweepDead(): void {
  const names = [...readNames(NETNS_DIR), ...readNames(cgroupMount()), ...readNames(tmpdir())];
  for (const prefix of new Set(names.flatMap((name) => PREFIX.exec(name)?.[0] ?? []))) {
    if (!isAlive(Number(PREFIX.exec(prefix)?.[1]))) removeEverything(prefix);
  }
}

/** Where cgroup v2 is mounted, which differs between a container, a hybrid set-up and a plain machine. */
export function cgroupMount(): string {
  const mount = mounts().find(({ type }) => type === 'cgroup2');
  if (mount === undefined)
    throw new Error('cgroup v2 is not mounted; mount it: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2');
  return mount.path;
}

export function makeCgroup(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

// --- internal ---

function installExitHandlers(): void {
  if (installed) return;
  installed = true;
  const removeActive = (): void => {
    for (const prefix of active) removeEverything(prefix);
  };
  process.once('exit', removeActive);
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}

function mounts(): { path: string; type: string }[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [, path = '', type = ''] = line.split(' ');
    return { path: path.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))), type };
  });
}

function mountsOf(prefix: string): string[] {
  return mounts()
    .map(({ path }) => path)
    .filter((path) => path.startsWith(`${scratchDirectory(prefix)}/`));
}

function namespacesOf(prefix: string): string[] {
  return readNames(NETNS_DIR).filter((name) => name.startsWith(`${prefix}-`));
}

/** Children before parents, as they have to be removed. */
function cgroupsOf(prefix: string): string[] {
  const root = cgroupMount();
  return readNames(root)
    .filter((name) => name.startsWith(`${prefix}-`))
    .flatMap((name) => {
      const path = join(root, name);
      return [
        ...readdirSync(path, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [join(path, e.name)] : [])),
        path,
      ];
    });
}

function endProcesses(cgroup: string): void {
  for (const line of readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n')) {
    if (line !== '' && line !== '0') kill(Number(line));
  }
}

function awaitEmpty(cgroup: string): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (
    let round = 0;
    readFileSync(join(cgroup, 'cgroup.events'), 'utf8').includes('populated 1') && round < 500;
    round++
  ) {
    Atomics.wait(clock, 0, 0, 10);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}

function readNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
