// SPDX-License-Identifier: Apache-2.0
// enums.gen.ts: values by TypeScript name, and lower-case names by value as metrics and dumps show them.

import type { Abi, Enum } from './abi.ts';
import { banner } from './emit.ts';
import { pascalCase } from './names.ts';

export function emitEnums(abi: Abi): string {
  const tables = abi.enums.map((declared) => `${declared.name}: ${declared.name.toUpperCase()}_NAMES,`).join('\n');
  return `${banner('The enums that the BPF programs and the agent share; names by value are lower case, as in metrics.')}
${abi.enums.map(emitEnum).join('\n')}
/** By name in C: names by value. */
export const ENUMS = {
${tables}
} as const satisfies Record<string, Readonly<Record<number, string>>>;

export type EnumName = keyof typeof ENUMS;
`;
}

function emitEnum(declared: Enum): string {
  const type = pascalCase(declared.name);
  const members = declared.members.map((member) => `${pascalCase(member.bare)}: ${member.value},`).join('\n');
  const constant = declared.name.toUpperCase();
  const count = declared.count;
  return `export const ${type} = {
${members}
} as const;

export type ${type} = (typeof ${type})[keyof typeof ${type}];

${emitNames(declared, `${constant}_NAMES`)}
${count === undefined ? '' : `\nexport const ${count.name} = ${count.value};\n`}`;
}

/** An array where the values are 0, 1, 2, ...: then it can be walked. */
function emitNames(declared: Enum, constant: string): string {
  const { members } = declared;
  if (members.every((member, index) => member.value === index)) {
    const names = members.map((member) => `'${member.bare.toLowerCase()}'`).join(', ');
    return `export const ${constant}: readonly string[] = [${names}];`;
  }
  const first = members.filter((member, index) => members.findIndex(({ value }) => value === member.value) === index);
  const names = first.map((member) => `${member.value}: '${member.bare.toLowerCase()}'`).join(', ');
  return `export const ${constant}: Readonly<Record<number, string>> = { ${names} };`;
}
