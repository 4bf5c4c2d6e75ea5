// SPDX-License-Identifier: Apache-2.0
// Colours on stdout where it is a terminal and NO_COLOR is not set; styleText itself looks at both.

import { styleText } from 'node:util';

export function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout });
}

export function green(text: string): string {
  return styleText('green', text, { stream: process.stdout });
}

export function yellow(text: string): string {
  return styleText('yellow', text, { stream: process.stdout });
}

export function red(text: string): string {
  return styleText('red', text, { stream: process.stdout });
}

export function dim(text: string): string {
  return styleText('dim', text, { stream: process.stdout });
}
