// SPDX-License-Identifier: Apache-2.0
// Where the BPF file system and cgroup v2 are mounted in this mount namespace, as the kernel lists them. It mounts
// nothing; pins.ts does.

import { readFileSync, statfsSync } from 'node:fs';

export interface Mount {
  /** What of the file system is visible there; `/` is all of it. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
}

const BPF_FS_MAGIC = 0xcafe4a11;
const CGROUP2_SUPER_MAGIC = 0x63677270;

/** The lines of /proc/self/mountinfo. */
export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    // Optional fields come before the dash, in any number.
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    const [type] = after.split(' ');
    if (root === undefined || point === undefined || type === undefined) return [];
    return [{ root: unescape(root), point: unescape(point), type: unescape(type) }];
  });
}

export function readMounts(): Mount[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** The whole hierarchy before a part of it, and what nothing else is mounted over. Undefined: cgroup v2 is not mounted. */
export function findCgroup2(mounts: readonly Mount[] = readMounts()): string | undefined {
  return findMount(mounts, 'cgroup2', isCgroup2);
}

/** The usual place first. Undefined: no BPF file system is mounted. */
export function findBpffs(mounts: readonly Mount[] = readMounts()): string | undefined {
  return findMount(mounts, 'bpf', isBpffs);
}

/** False also when there is nothing at that path. */
export function isBpffs(path: string): boolean {
  return fileSystemType(path) === BPF_FS_MAGIC;
}

/** False also when there is nothing at that path. */
export function isCgroup2(path: string): boolean {
  return fileSystemType(path) === CGROUP2_SUPER_MAGIC;
}

/** Space, tab, newline and backslash are octal there. */
function unescape(field: string): string {
  if (!field.includes('\\')) return field;
  const bytes = Buffer.from(field, 'utf8');
  const plain: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const octal = /^\\([0-7]{3})/.exec(bytes.toString('latin1', i, i + 4))?.[1];
    plain.push(octal === undefined ? (bytes[i] ?? 0) : parseInt(octal, 8));
    if (octal !== undefined) i += 3;
  }
  return Buffer.from(plain).toString('utf8');
}

function findMount(mounts: readonly Mount[], type: string, isStill: (point: string) => boolean): string | undefined {
  const usual = '/sys/fs/';
  const rank = ({ root, point }: Mount): number => (root === '/' ? 0 : 2) + (point.startsWith(usual) ? 0 : 1);
  return mounts.filter((mount) => mount.type === type && isStill(mount.point)).sort((a, b) => rank(a) - rank(b))[0]
    ?.point;
}

function fileSystemType(path: string): number | undefined {
  try {
    // Signed on 32-bit machines.
    return statfsSync(path).type >>> 0;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
