// SPDX-License-Identifier: Apache-2.0
// One field → the TypeScript that types, writes and reads it. Collects what the text needs from other files.

import type { FieldKind as TableKind } from '../../src/abi/codec.ts';
import type { Field, FieldKind, Scalar } from './abi.ts';
import { camelCase, pascalCase } from './names.ts';

/** Names that a generated file imports, by file. */
export class Imports {
  readonly #values = new Map<string, Set<string>>();
  readonly #types = new Map<string, Set<string>>();

  value(file: string, name: string): string {
    return add(this.#values, file, name);
  }

  type(file: string, name: string): string {
    return add(this.#types, file, name);
  }

  /** A function or constant of codec.ts. */
  helper(name: string): string {
    return this.value('./codec.ts', name);
  }

  toString(): string {
    return lines('import', this.#values) + lines('import type', this.#types);
  }
}

function add(names: Map<string, Set<string>>, file: string, name: string): string {
  names.set(file, (names.get(file) ?? new Set<string>()).add(name));
  return name;
}

function lines(keyword: string, names: ReadonlyMap<string, ReadonlySet<string>>): string {
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, imported]) => `${keyword} { ${[...imported].sort().join(', ')} } from '${file}';\n`)
    .join('');
}

type Place = Pick<Field, 'offset' | 'size' | 'kind'>;

export function fieldType(kind: FieldKind, imports: Imports): string {
  switch (kind.is) {
    case 'scalar':
      return scalarType(kind.scalar);
    case 'scalars':
      return `readonly ${scalarType(kind.scalar)}[]`;
    case 'enum':
      return imports.type('./enums.gen.ts', pascalCase(kind.name));
    case 'address':
      return imports.type('../net/ip.ts', 'Address');
    case 'mac':
    case 'text':
      return 'string';
    case 'struct':
      return pascalCase(kind.name);
    case 'flags':
      return 'number';
    case 'pad':
      return 'never';
  }
}

export function tableKind(kind: FieldKind): TableKind {
  switch (kind.is) {
    case 'scalar':
      return kind.scalar.bytes === 8 ? 'bigint' : 'number';
    case 'scalars':
      return kind.scalar.bytes === 8 ? 'bigints' : 'numbers';
    case 'pad':
      throw new TypeError('padding is in no table');
    default:
      return kind.is;
  }
}

/** Statements; `value` is an expression, `label` names the field in errors. */
export function writeField(field: Place, value: string, label: string, imports: Imports): string {
  const { kind, offset } = field;
  const at = plus('offset', offset);
  switch (kind.is) {
    case 'scalar':
    case 'enum':
    case 'flags':
      return set(kind.scalar, at, checked(kind.scalar, value, label, imports), imports);
    case 'scalars':
      return writeScalars(kind.scalar, kind.length, offset, value, label, imports);
    case 'address':
      return `${imports.value('../net/ip.ts', `writeAddress${kind.bytes}`)}(${value}, view, ${at});`;
    case 'mac':
      return `${imports.helper('writeMac')}(${value}, view, ${at}, '${label}');`;
    case 'text':
      return `${imports.helper('writeText')}(${value}, view, ${at}, ${kind.length}, '${label}');`;
    case 'struct':
      return `${camelCase(kind.name)}Codec.encode(${value}, view, ${at});`;
    case 'pad':
      return writeZeros(offset, field.size);
  }
}

/** An expression. */
export function readField(field: Place, imports: Imports): string {
  const { kind, offset } = field;
  const at = plus('offset', offset);
  switch (kind.is) {
    case 'scalar':
    case 'flags':
      return get(kind.scalar, at, imports);
    case 'enum':
      return `${get(kind.scalar, at, imports)} as ${fieldType(kind, imports)}`;
    case 'scalars':
      return readScalars(kind.scalar, kind.length, offset, imports);
    case 'address':
      return `${imports.value('../net/ip.ts', `readAddress${kind.bytes}`)}(view, ${at})`;
    case 'mac':
      return `${imports.helper('readMac')}(view, ${at})`;
    case 'text':
      return `${imports.helper('readText')}(view, ${at}, ${kind.length})`;
    case 'struct':
      return `${camelCase(kind.name)}Codec.decode(view, ${at})`;
    case 'pad':
      throw new TypeError('padding is not read');
  }
}

function scalarType(scalar: Scalar): string {
  return scalar.bytes === 8 ? 'bigint' : 'number';
}

function checked(scalar: Scalar, value: string, label: string, imports: Imports): string {
  const check = imports.helper(`${scalar.signed ? 's' : 'u'}${8 * scalar.bytes}`);
  return `${check}(${value}, '${label}')`;
}

function accessor(scalar: Scalar): string {
  return `${scalar.bytes === 8 ? 'Big' : ''}${scalar.signed ? 'Int' : 'Uint'}${8 * scalar.bytes}`;
}

/** Third argument of DataView's setters: network order is their default. */
function order(scalar: Scalar, imports: Imports): string {
  return scalar.bytes === 1 || scalar.be ? '' : `, ${imports.helper('LITTLE')}`;
}

function set(scalar: Scalar, at: string, value: string, imports: Imports): string {
  return `view.set${accessor(scalar)}(${at}, ${value}${order(scalar, imports)});`;
}

function get(scalar: Scalar, at: string, imports: Imports): string {
  return `view.get${accessor(scalar)}(${at}${order(scalar, imports)})`;
}

function writeScalars(
  scalar: Scalar,
  length: number,
  offset: number,
  value: string,
  label: string,
  imports: Imports,
): string {
  const element = set(scalar, 'at', checked(scalar, 'element', label, imports), imports);
  return `{
    let at = ${plus('offset', offset)};
    for (const element of ${imports.helper('sized')}(${value}, ${length}, '${label}')) {
      ${element}
      at += ${scalar.bytes};
    }
  }`;
}

function readScalars(scalar: Scalar, length: number, offset: number, imports: Imports): string {
  const items = Array.from({ length }, (_, i) => get(scalar, plus('offset', offset + i * scalar.bytes), imports));
  return `[${items.join(', ')}]`;
}

function writeZeros(offset: number, size: number): string {
  const lines: string[] = [];
  for (let at = offset; at < offset + size;) {
    const step = [8, 4, 2, 1].find((bytes) => at % bytes === 0 && at + bytes <= offset + size && bytes < 8) ?? 1;
    lines.push(`view.setUint${8 * step}(${plus('offset', at)}, 0);`);
    at += step;
  }
  return lines.join('\n');
}

function plus(base: string, offset: number): string {
  return offset === 0 ? base : `${base} + ${offset}`;
}
