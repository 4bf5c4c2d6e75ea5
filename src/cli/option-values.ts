// SPDX-License-Identifier: Apache-2.0
// From the text after an option to its value.

/** `a,b` and the option given again add up. */
export function collectList(text: string, before: readonly string[] = []): string[] {
  const parts = text.split(',').map((part) => part.trim());
  return [...before, ...parts.filter((part) => part !== '')];
}

/** Each time one value, commas and all: paths may hold them. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
