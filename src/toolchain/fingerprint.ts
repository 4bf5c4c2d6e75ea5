// SPDX-License-Identifier: Apache-2.0
// What two sides must agree on about an object's layout, as one line of text per struct, field, enumerator, map and
// setting, and the fingerprint of it. tools/abigen writes the lines down; at load the object's own are held against
// them. Pure; it judges no rule of style.

import { createHash } from 'node:crypto';
import type {
  LayoutEnum,
  LayoutInnerMap,
  LayoutMap,
  LayoutStruct,
  LayoutType,
  ObjectLayout,
} from '../kernel/layout.ts';

/** What an item is (`struct backend.port`) → how it is laid out (`__be16 at 16`). */
export type AbiLines = Readonly<Record<string, string>>;

export interface LayoutDifference {
  /** `struct backend.port`, `enum proto.PROTO_UDP`, `map flows4`, `setting cfg_host_netns`. */
  readonly item: string;
  /** Undefined: this program does not know the item. */
  readonly expected: string | undefined;
  /** Undefined: the object does not have the item. */
  readonly found: string | undefined;
}

const SETTING = 'setting ';

/** Lines of the named structs and enums, and of all shared maps and settings. */
export function abiLines(layout: ObjectLayout, structs: Iterable<string>, enums: Iterable<string>): AbiLines {
  const lines: Record<string, string> = {};
  const structsByName = new Map(layout.structs.map((struct) => [struct.name, struct]));
  const enumsByName = new Map(layout.enums.map((declared) => [declared.name, declared]));
  for (const name of structs) addStruct(lines, structsByName.get(name));
  for (const name of enums) addEnum(lines, enumsByName.get(name));
  for (const map of byName(layout.maps)) {
    if (!isPrivate(map)) lines[`map ${map.name}`] = mapLine(map);
  }
  for (const variable of byName(layout.variables)) {
    if (isSetting(variable.name)) lines[SETTING + variable.name] = `${typeLine(variable)} in ${variable.section}`;
  }
  return lines;
}

/** 16 hexadecimal digits over all lines but the settings': those do not outlive a load, pinned maps do. */
export function fingerprint(lines: AbiLines): string {
  const hash = createHash('sha256');
  for (const item of Object.keys(lines).sort()) {
    if (!item.startsWith(SETTING)) hash.update(`${item}: ${lines[item] ?? ''}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** In what an object differs from the lines that this program was generated from; empty: it fits. */
export function checkLayout(layout: ObjectLayout, expected: AbiLines): LayoutDifference[] {
  const found = abiLines(layout, namesOf(expected, 'struct'), namesOf(expected, 'enum'));
  const items = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...items]
    .map((item) => ({ item, expected: expected[item], found: found[item] }))
    .filter((difference) => difference.expected !== difference.found);
}

/** For people: `struct backend.port: the object has __be16 at 18, this program expects __be16 at 16`. */
export function formatDifference({ item, expected, found }: LayoutDifference): string {
  if (found === undefined) return `${item}: the object lacks it, this program expects ${expected ?? 'nothing'}`;
  if (expected === undefined) return `${item}: the object has ${found}, this program does not know it`;
  return `${item}: the object has ${found}, this program expects ${expected}`;
}

/** A variable that the agent sets before load. */
export function isSetting(name: string): boolean {
  return name.startsWith('cfg_');
}

/** A map that only programs read and write, such as scratch memory: no border runs through it. */
export function isPrivate(map: LayoutMap): boolean {
  return map.tags.includes('private');
}

/** The C spelling: outermost typedef, element type before its length. */
export function spellType(type: Pick<LayoutType, 'type' | 'typedef' | 'arrayLength'>): string {
  const element = type.typedef ?? type.type;
  return type.arrayLength === undefined ? element : `${element}[${type.arrayLength}]`;
}

function addStruct(lines: Record<string, string>, struct: LayoutStruct | undefined): void {
  if (struct === undefined) return;
  lines[`struct ${struct.name}`] = `${struct.size} bytes`;
  for (const field of struct.fields) {
    const bits = field.bits === undefined ? '' : `:${field.bits}`;
    lines[`struct ${struct.name}.${field.name}`] = `${typeLine(field)}${bits} at ${field.offset}`;
  }
}

function addEnum(lines: Record<string, string>, declared: LayoutEnum | undefined): void {
  if (declared === undefined) return;
  lines[`enum ${declared.name}`] = `${declared.values.length} values`;
  for (const [name, value] of declared.values) lines[`enum ${declared.name}.${name}`] = String(value);
}

/** Without its size: the agent chooses that. */
function mapLine(map: LayoutMap): string {
  const inner = map.inner === undefined ? '' : `, of ${mapKindLine(map.inner)}`;
  const types = map.tags.filter(isTypeTag).sort();
  return [mapKindLine(map) + inner, ...types].join(', ');
}

function mapKindLine(map: LayoutInnerMap): string {
  const key = map.keyType ?? `${map.keySize} bytes`;
  const value = map.valueType ?? `${map.valueSize} bytes`;
  return `${map.typeName}, key ${key}, value ${value}, flags 0x${map.flags.toString(16)}`;
}

function typeLine(type: LayoutType): string {
  return [spellType(type), ...type.tags.filter(isTypeTag).sort()].join(' ');
}

/** Tags that change what bytes mean; documentation does not. */
function isTypeTag(tag: string): boolean {
  return !tag.startsWith('doc:');
}

function namesOf(lines: AbiLines, kind: 'struct' | 'enum'): string[] {
  const prefix = `${kind} `;
  return Object.keys(lines)
    .filter((item) => item.startsWith(prefix) && !item.includes('.'))
    .map((item) => item.slice(prefix.length));
}

function byName<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
