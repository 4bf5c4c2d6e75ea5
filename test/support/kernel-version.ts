// SPDX-License-Identifier: Apache-2.0
// The running kernel's version: what a test may expect of it. The product probes and never asks for this.

import { release } from 'node:os';

/** `6.6`, also written `Linux 6.6`. */
export function atLeast(version: string): boolean {
  const [major = 0, minor = 0] = version.replace('Linux ', '').split('.').map(Number);
  const [, ourMajor, ourMinor] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  return Number(ourMajor) > major || (Number(ourMajor) === major && Number(ourMinor) >= minor);
}

/** What a process gets at once that asks a frontend without backends: before 6.1 a program cannot choose the error. */
export const REFUSED_AT_CONNECT = atLeast('6.1') ? 'refused' : 'EPERM';
