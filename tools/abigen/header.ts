// SPDX-License-Identifier: Apache-2.0
// The names that a C header declares, in its order. BTF does not say which file a type comes from, and drops what
// nothing refers to; this is how abigen learns what must be there. It reads no layout.

export interface HeaderNames {
  readonly structs: readonly string[];
  readonly enums: readonly string[];
  readonly unions: readonly string[];
}

export function headerNames(text: string): HeaderNames {
  const code = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
  const names = (kind: string): string[] =>
    [...code.matchAll(new RegExp(`^${kind}\\s+(\\w+)\\s*\\{`, 'gm'))].map((match) => match[1] ?? '');
  return { structs: names('struct'), enums: names('enum'), unions: names('union') };
}
