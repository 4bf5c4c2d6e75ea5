// SPDX-License-Identifier: Apache-2.0
// Where results go.

import type { Write } from './print/document.ts';

export const stdout: Write = (text) => {
  process.stdout.write(text);
};

/** A remark that is not part of the result. */
export function remark(text: string): void {
  process.stderr.write(`bpfsvc: ${text}\n`);
}
