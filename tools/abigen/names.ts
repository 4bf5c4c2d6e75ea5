// SPDX-License-Identifier: Apache-2.0
// From C names to TypeScript names, and nothing else.

export function camelCase(name: string): string {
  return name.toLowerCase().replace(/_+(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}

/** The words of the enum's name that all its members begin with: `NODE_ADDR_` of node_addr_flags. */
export function memberPrefix(enumName: string, members: readonly string[]): string {
  const words = enumName.toUpperCase().split('_');
  for (let count = words.length; count > 0; count--) {
    const prefix = `${words.slice(0, count).join('_')}_`;
    if (members.every((member) => member.startsWith(prefix))) return prefix;
  }
  return '';
}
