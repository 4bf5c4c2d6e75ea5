// SPDX-License-Identifier: Apache-2.0
// Layouts of objects → the ABI, or every rule that they break, each with the place and the remedy. Pure: reads no file,
// knows no TypeScript syntax.

import type {
  LayoutEnum,
  LayoutField,
  LayoutInnerMap,
  LayoutMap,
  LayoutStruct,
  ObjectLayout,
} from '../../src/kernel/layout.ts';
import { isPrivate, isSetting, spellType } from '../../src/toolchain/fingerprint.ts';
import type { Abi, AbiMap, Enum, Field, FieldKind, InnerMap, MapSide, Setting, Struct } from './abi.ts';
import { classify, Refusal, scalarOf } from './classify.ts';
import type { HeaderNames } from './header.ts';
import { memberPrefix } from './names.ts';
import { parseTags } from './tags.ts';
import type { Named } from './unique.ts';
import { uniqueByName } from './unique.ts';

export interface RulesResult {
  readonly abi: Abi;
  readonly problems: readonly string[];
}

/** The kernel keeps 15 characters; a longer name is another name in bpftool. */
const MAP_NAME_MAX = 15;

/** Map types whose rows have no key of ours, or no value (a descriptor, a record of any size). */
const KEYLESS = new Set(['ringbuf', 'queue', 'stack', 'bloom_filter', 'perf_event_array', 'user_ringbuf']);
const VALUELESS = new Set([
  'ringbuf',
  'perf_event_array',
  'prog_array',
  'array_of_maps',
  'hash_of_maps',
  'user_ringbuf',
]);

const INNER = ', inner map';

export function applyRules(layouts: readonly ObjectLayout[], header: HeaderNames): RulesResult {
  return new Rules(layouts, header).run();
}

class Rules {
  readonly #problems: string[] = [];
  readonly #header: HeaderNames;
  readonly #layouts: readonly ObjectLayout[];
  readonly #structs: Map<string, LayoutStruct>;
  readonly #enums: Map<string, LayoutEnum>;
  readonly #done = new Map<string, Struct>();

  constructor(layouts: readonly ObjectLayout[], header: HeaderNames) {
    this.#layouts = layouts;
    this.#header = header;
    this.#structs = this.#unique(
      'struct',
      layouts.flatMap((layout) => layout.structs),
      this.#isWanted(layouts),
    );
    this.#enums = this.#unique(
      'enum',
      layouts.flatMap((layout) => layout.enums),
      (name) => header.enums.includes(name),
    );
  }

  run(): RulesResult {
    for (const name of this.#header.unions) this.#refuse(`union ${name}`, 'a union is read in no one way; use structs');
    for (const name of this.#header.structs) this.#struct(name, 'declared in the header');
    const maps = this.#maps();
    for (const struct of this.#structs.values()) {
      if (parseTags(struct.tags, ['abi']).abi) this.#struct(struct.name, 'marked abi');
    }
    const enums = this.#header.enums.map((name) => this.#enum(name)).filter((found) => found !== undefined);
    const abi = { structs: [...this.#done.values()], enums, maps, settings: this.#settings() };
    return { abi, problems: this.#problems };
  }

  #refuse(place: string, reason: string): void {
    this.#problems.push(`${place}: ${reason}`);
  }

  #unique<T extends Named>(kind: string, items: readonly T[], isWanted: (name: string) => boolean): Map<string, T> {
    return uniqueByName(items, (name) => {
      if (isWanted(name)) this.#refuse(`${kind} ${name}`, 'two objects define it differently; define it in one header');
    });
  }

  /** Kernel headers define many structs that we neither need nor may judge. */
  #isWanted(layouts: readonly ObjectLayout[]): (name: string) => boolean {
    const inMaps = new Set(layouts.flatMap((layout) => layout.maps.flatMap((map) => [map.keyType, map.valueType])));
    return (name) => this.#header.structs.includes(name) || inMaps.has(`struct ${name}`);
  }

  /** Checks a struct once; `why` tells whoever reads the error what refers to it. */
  #struct(name: string, why: string): void {
    if (this.#done.has(name)) return;
    const layout = this.#structs.get(name);
    if (layout === undefined) {
      const remedy = `use it in a map, or add \`const volatile struct ${name} keep_${name} = {};\` to bpf/maps.bpf.c`;
      this.#refuse(`struct ${name}`, `${why}, but not in the objects' BTF; ${remedy}`);
      return;
    }
    if (layout.union) return;
    const fields = layout.fields.map((field) => this.#field(name, field)).filter((field) => field !== undefined);
    this.#checkHoles(layout);
    // After its fields: a nested struct comes before the one that holds it.
    this.#done.set(name, { name, size: layout.size, fields });
  }

  #field(struct: string, field: LayoutField): Field | undefined {
    const place = `struct ${struct}, field ${field.name === '' ? `at ${field.offset}` : field.name}`;
    if (field.bits !== undefined) {
      this.#refuse(
        place,
        `a bit-field of ${field.bits} bits has no address; use __u8 ... FLAGS(...) or a whole integer`,
      );
      return undefined;
    }
    if (field.name === '') {
      this.#refuse(place, `${field.type} without a name; name it, or call it pad`);
      return undefined;
    }
    const tags = parseTags(field.tags, ['address', 'mac', 'enum', 'flags', 'doc']);
    const kind = classify(field, tags);
    if (kind instanceof Refusal) {
      this.#refuse(place, kind.reason);
      return undefined;
    }
    this.#checkKind(place, field.size, kind);
    const { name, offset, size } = field;
    return { name, offset, size, type: spellType(field), doc: tags.doc, kind: this.#padded(place, name, kind) };
  }

  #padded(place: string, name: string, kind: FieldKind): FieldKind {
    if (!/^pad\d*$/.test(name)) return kind;
    if (kind.is !== 'scalar' && kind.is !== 'scalars') this.#refuse(place, 'padding is made of integers; use __u8[N]');
    return { is: 'pad' };
  }

  #checkKind(place: string, size: number, kind: FieldKind): void {
    if (kind.is === 'struct') this.#struct(kind.name, `held by ${place}`);
    if (kind.is !== 'enum' && kind.is !== 'flags') return;
    const held = this.#enums.get(kind.name);
    if (held === undefined || !this.#header.enums.includes(kind.name)) {
      this.#refuse(
        place,
        `its tag names enum ${kind.name}, which the header does not declare or the objects' BTF lacks`,
      );
      return;
    }
    const largest = Math.max(...held.values.map(([, value]) => value));
    if (largest >= 2 ** (8 * size)) {
      this.#refuse(place, `${largest} of enum ${kind.name} does not fit in ${size} bytes; use a wider integer`);
    }
  }

  #checkHoles(struct: LayoutStruct): void {
    let end = 0;
    let before = 'the beginning';
    const check = (offset: number, after: string): void => {
      if (offset <= end) return;
      const remedy = `write them down as \`__u8 pad[${offset - end}]\``;
      this.#refuse(`struct ${struct.name}`, `${offset - end} unnamed bytes between ${before} and ${after}; ${remedy}`);
    };
    for (const field of struct.fields) {
      if (field.bits !== undefined) return;
      check(field.offset, field.name);
      end = field.offset + field.size;
      before = field.name;
    }
    check(struct.size, 'the end');
  }

  #enum(name: string): Enum | undefined {
    const layout = this.#enums.get(name);
    if (layout === undefined) {
      const remedy = `add \`const volatile enum ${name} keep_${name} = 0;\` to bpf/maps.bpf.c`;
      this.#refuse(`enum ${name}`, `declared in the header, but not in the objects' BTF; ${remedy}`);
      return undefined;
    }
    const prefix = memberPrefix(
      name,
      layout.values.map(([member]) => member),
    );
    const members = layout.values.map(([member, value]) => ({
      name: member,
      bare: member.slice(prefix.length),
      value,
    }));
    const last = members.at(-1);
    const counts = last?.name === `${name.toUpperCase()}S`;
    return { name, members: counts ? members.slice(0, -1) : members, count: counts ? last : undefined };
  }

  #maps(): AbiMap[] {
    const maps = this.#unique(
      'map',
      this.#layouts.flatMap((layout) => layout.maps),
      () => true,
    );
    return sorted(maps).flatMap((map) => this.#map(map) ?? []);
  }

  #map(map: LayoutMap): AbiMap | undefined {
    const place = `map ${map.name}`;
    if (map.name.length > MAP_NAME_MAX) {
      const over = `${map.name.length} characters, of which the kernel keeps ${MAP_NAME_MAX}`;
      this.#refuse(place, `its name has ${over}; shorten it`);
    }
    if (isPrivate(map)) return undefined;
    const tags = parseTags(map.tags, ['doc', 'key_enum', 'inner_value']);
    if (tags.unknown.length > 0)
      this.#refuse(place, `unknown tag "${tags.unknown.join('", "')}"; remove or correct it`);
    const inner = map.inner === undefined ? undefined : this.#inner(place, map.inner, tags.innerValue);
    return { name: map.name, doc: tags.doc, ...this.#rows(place, map, tags.keyEnum), inner };
  }

  #inner(place: string, inner: LayoutInnerMap, valueStruct: string | undefined): InnerMap {
    const innerPlace = place + INNER;
    if (valueStruct === undefined) return this.#rows(innerPlace, inner, undefined);
    const layout = this.#structs.get(valueStruct);
    if (layout !== undefined && layout.size !== inner.valueSize) {
      this.#refuse(innerPlace, `values have ${inner.valueSize} bytes, struct ${valueStruct} has ${layout.size}`);
    }
    const keyType = inner.keyType ?? (inner.keySize === 4 ? '__u32' : undefined);
    const typed = { ...inner, valueType: `struct ${valueStruct}`, ...(keyType === undefined ? {} : { keyType }) };
    return this.#rows(innerPlace, typed, undefined);
  }

  #rows(place: string, map: LayoutInnerMap, keyEnum: string | undefined): InnerMap {
    const { type, typeName, maxEntries, flags } = map;
    const key = KEYLESS.has(typeName) ? undefined : this.#side(place, 'key', map.keyType, keyEnum);
    const value = VALUELESS.has(typeName) ? undefined : this.#side(place, 'value', map.valueType, undefined);
    return { type, typeName, key, value, maxEntries, flags };
  }

  #side(place: string, side: 'key' | 'value', type: string | undefined, held: string | undefined): MapSide | undefined {
    if (type === undefined) {
      const other = place.endsWith(INNER)
        ? 'TAG("inner_value:STRUCT") on the outer map'
        : 'TAG("private") where only programs use it';
      this.#refuse(place, `its ${side} has a size but no type; use __type(${side}, ...), or ${other}`);
      return undefined;
    }
    const scalar = scalarOf(type);
    if (scalar !== undefined) {
      if (held !== undefined && !this.#header.enums.includes(held)) {
        this.#refuse(place, `its tag names enum ${held}, which the header does not declare`);
      }
      return { is: 'scalar', scalar, type, enum: held };
    }
    const name = /^struct (\w+)$/.exec(type)?.[1];
    if (name === undefined) {
      this.#refuse(place, `its ${side} is ${type}; use a named struct, __u32 or __u64`);
      return undefined;
    }
    this.#struct(name, `the ${side} of ${place}`);
    return { is: 'struct', name, size: this.#structs.get(name)?.size ?? 0 };
  }

  #settings(): Setting[] {
    const all = this.#layouts.flatMap((layout) => layout.variables).filter((variable) => isSetting(variable.name));
    return sorted(this.#unique('setting', all, () => true)).flatMap((variable) => {
      const place = `setting ${variable.name}`;
      if (variable.section !== '.rodata') {
        this.#refuse(place, `lies in ${variable.section}, where the verifier does not know it; make it const volatile`);
      }
      const tags = parseTags(variable.tags, ['address', 'mac', 'enum', 'flags', 'doc']);
      if (tags.doc === undefined || tags.doc === '') {
        this.#refuse(place, 'has no documentation; add TAG("doc:what it does, unit, default")');
      }
      const kind = classify(variable, tags);
      if (kind instanceof Refusal) {
        this.#refuse(place, kind.reason);
        return [];
      }
      this.#checkKind(place, variable.size, kind);
      return [{ name: variable.name, size: variable.size, type: spellType(variable), doc: tags.doc ?? '', kind }];
    });
  }
}

function sorted<T extends Named>(items: ReadonlyMap<string, T>): T[] {
  return [...items.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
