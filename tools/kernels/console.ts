// SPDX-License-Identifier: Apache-2.0
// What a kernel says when it is broken, read off its console. Pure.

const BROKEN =
  /(?:^|\] )(?:Kernel panic|BUG: |kernel BUG at |WARNING: |Oops: |general protection fault|Unable to handle |INFO: task .* blocked|-+\[ cut here \])/;

/** Messages that must not be there: none in a sound run. */
export function kernelComplaints(console: string): string[] {
  return console
    .split(/\r?\n/)
    .filter((line) => BROKEN.test(line))
    .filter((line) => !line.includes('cut here'));
}

export function tail(console: string, lines: number): string {
  return console.trimEnd().split(/\r?\n/).slice(-lines).join('\n');
}
