// SPDX-License-Identifier: Apache-2.0
// Who holds the lock on a pin directory, asked of the kernel's own list: to try the lock would be to take it for a
// moment, and an agent that starts at that moment would fail.

import { readFileSync, statSync } from 'node:fs';

/** Pid; undefined: nobody in this process's pid namespace. */
export function lockHolder(directory: string): number | undefined {
  const stat = statSync(directory, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return parseLocks(readFileSync('/proc/locks', 'utf8'), stat.dev, stat.ino);
}

/** Lines like `1: FLOCK  ADVISORY  WRITE 4625 00:34:909177 0 EOF`; those that wait for a lock have `->` after the number. */
export function parseLocks(text: string, dev: bigint, ino: bigint): number | undefined {
  const file = `${deviceText(dev)}:${String(ino)}`;
  for (const line of text.split('\n')) {
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    if (kind === 'FLOCK' && where === file) return Number(pid);
  }
  return undefined;
}

/** st_dev as glibc packs it, written as the kernel writes it. */
function deviceText(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
}
