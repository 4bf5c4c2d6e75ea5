// SPDX-License-Identifier: Apache-2.0
// codecs.gen.ts: per struct an interface, a codec in straight lines (several times faster than walking a table), and
// a field table for those who print any struct.

import type { Abi, Field, Struct } from './abi.ts';
import { fieldType, Imports, readField, tableKind, writeField } from './emit-fields.ts';
import { banner } from './emit.ts';
import { camelCase, pascalCase } from './names.ts';

export function emitCodecs(abi: Abi): string {
  const imports = new Imports();
  imports.type('./codec.ts', 'Codec');
  imports.type('./codec.ts', 'StructTable');
  const structs = abi.structs.map((struct) => emitStruct(struct, imports)).join('\n');
  const tables = abi.structs.map((struct) => `${struct.name}: ${emitTable(struct)},`).join('\n');
  return `${banner('A codec for each struct that the BPF programs and the agent share.')}
${imports.toString()}
${structs}
/** By name in C; for those who decode whatever a map holds. */
export const STRUCTS = {
${tables}
} as const satisfies Record<string, StructTable>;

export type StructName = keyof typeof STRUCTS;
`;
}

function emitStruct(struct: Struct, imports: Imports): string {
  const type = pascalCase(struct.name);
  const fields = struct.fields.filter((field) => field.kind.is !== 'pad');
  const members = fields.map((field) => emitMember(field, imports)).join('\n');
  const writes = struct.fields.map((field) => {
    return writeField(field, `value.${camelCase(field.name)}`, `${struct.name}.${field.name}`, imports);
  });
  const reads = fields.map((field) => `${camelCase(field.name)}: ${readField(field, imports)},`).join('\n');
  return `export interface ${type} {
${members}
}

export const ${camelCase(struct.name)}Codec: Codec<${type}> = {
  name: '${struct.name}',
  size: ${struct.size},
  encode(value, view, offset) {
${writes.join('\n')}
  },
  decode(view, offset) {
    return {
${reads}
    };
  },
};
`;
}

function emitMember(field: Field, imports: Imports): string {
  const doc = field.doc === undefined ? '' : `/** ${field.doc} */\n`;
  return `${doc}readonly ${camelCase(field.name)}: ${fieldType(field.kind, imports)};`;
}

function emitTable(struct: Struct): string {
  const fields = struct.fields.filter((field) => field.kind.is !== 'pad');
  return `{ codec: ${camelCase(struct.name)}Codec, fields: [${fields.map(emitRow).join(', ')}] }`;
}

function emitRow(field: Field): string {
  const { kind } = field;
  const parts = [
    `name: '${field.name}'`,
    `property: '${camelCase(field.name)}'`,
    `offset: ${field.offset}`,
    `size: ${field.size}`,
    `kind: '${tableKind(kind)}'`,
    ...('scalar' in kind && kind.scalar.signed ? ['signed: true'] : []),
  ];
  if (kind.is === 'enum' || kind.is === 'flags') parts.push(`enum: '${kind.name}'`);
  if (kind.is === 'struct') parts.push(`struct: '${kind.name}'`);
  return `{ ${parts.join(', ')} }`;
}
