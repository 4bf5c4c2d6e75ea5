// SPDX-License-Identifier: Apache-2.0
// One C type and its tags → how TypeScript reads and writes it, or why it must not cross the border.

import type { LayoutType } from '../../src/kernel/layout.ts';
import { spellType } from '../../src/toolchain/fingerprint.ts';
import type { FieldKind, Scalar } from './abi.ts';
import type { Tags } from './tags.ts';

const SCALARS: Readonly<Record<string, Scalar>> = {
  __u8: { bytes: 1, signed: false, be: false },
  __u16: { bytes: 2, signed: false, be: false },
  __u32: { bytes: 4, signed: false, be: false },
  __u64: { bytes: 8, signed: false, be: false },
  __s8: { bytes: 1, signed: true, be: false },
  __s16: { bytes: 2, signed: true, be: false },
  __s32: { bytes: 4, signed: true, be: false },
  __s64: { bytes: 8, signed: true, be: false },
  __be16: { bytes: 2, signed: false, be: true },
  __be32: { bytes: 4, signed: false, be: true },
};

const ALLOWED = 'use __u8, __u16, __u32, __u64, __be16 or __be32';

/** Why a type is refused, with the remedy. */
export class Refusal {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

export function scalarOf(typeName: string): Scalar | undefined {
  return SCALARS[typeName];
}

export function classify(type: LayoutType, tags: Tags): FieldKind | Refusal {
  if (tags.unknown.length > 0)
    return new Refusal(`unknown tag ${quote(tags.unknown)}; remove it or correct its spelling`);
  if (tags.address) return classifyAddress(type);
  if (tags.mac) return isBytes(type, 6) ? { is: 'mac' } : new Refusal(`a MAC is __u8[6], not ${spellType(type)}`);
  const refused = refuseKind(type);
  if (refused !== undefined) return new Refusal(refused);
  if (type.kind === 'struct') return classifyStruct(type);
  if (type.type === 'char' && type.typedef === undefined) return classifyText(type);
  const scalar = type.typedef === undefined ? undefined : SCALARS[type.typedef];
  if (scalar === undefined) return new Refusal(`${spellType(type)} has no fixed width by name; ${ALLOWED}`);
  return classifyScalar(type, scalar, tags);
}

function classifyScalar(type: LayoutType, scalar: Scalar, tags: Tags): FieldKind | Refusal {
  const held = tags.enum ?? tags.flags;
  if (held === undefined) {
    return type.arrayLength === undefined
      ? { is: 'scalar', scalar }
      : { is: 'scalars', scalar, length: type.arrayLength };
  }
  if (type.arrayLength !== undefined || scalar.bytes === 8 || scalar.be) {
    return new Refusal(`${spellType(type)} cannot hold enum ${held}; use __u8, __u16 or __u32`);
  }
  return { is: tags.enum === undefined ? 'flags' : 'enum', scalar, name: held };
}

function classifyAddress(type: LayoutType): FieldKind | Refusal {
  if (isBytes(type, 16)) return { is: 'address', bytes: 16 };
  if (type.typedef === '__be32' && type.arrayLength === undefined) return { is: 'address', bytes: 4 };
  return new Refusal(`an address is __u8[16] or __be32, not ${spellType(type)}`);
}

function classifyStruct(type: LayoutType): FieldKind | Refusal {
  if (type.arrayLength !== undefined) return new Refusal('an array of structs; use a map with a row for each');
  const name = type.type.replace(/^struct ?/, '');
  return name === '' ? new Refusal('its struct has no name; give it one') : { is: 'struct', name };
}

function classifyText(type: LayoutType): FieldKind | Refusal {
  if (type.arrayLength === undefined) return new Refusal('a single char; use __u8, or char[N] for text');
  return { is: 'text', length: type.arrayLength };
}

function refuseKind(type: LayoutType): string | undefined {
  switch (type.kind) {
    case 'bool':
      return 'bool has values that C does not define; use __u8';
    case 'pointer':
      return 'a pointer means nothing on the other side; use an id or the bytes themselves';
    case 'union':
      return `${type.type === 'union' ? 'a union' : type.type} is read in no one way; use a struct for each form`;
    case 'enum':
      return `the width of ${type.type} is the compiler's choice; use __u8 ... ENUM(${type.type.replace(/^enum ?/, '')})`;
    case 'array':
      return 'an array of arrays; use one array';
    case 'float':
      return `${type.type} does not exist in BPF; ${ALLOWED}`;
    case 'other':
      return `${type.type} has no layout; ${ALLOWED}`;
    case 'int':
    case 'struct':
      return undefined;
  }
}

function isBytes(type: LayoutType, length: number): boolean {
  return type.typedef === '__u8' && type.arrayLength === length;
}

function quote(texts: readonly string[]): string {
  return texts.map((text) => `"${text}"`).join(', ');
}
