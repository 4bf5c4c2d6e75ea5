// SPDX-License-Identifier: Apache-2.0
// What the addon's objectLayout() answers: the types in an object's BTF, as they are written in C. Only data; what a
// layout must look like is known to toolchain/fingerprint.ts and tools/abigen.

export type TypeKind = 'int' | 'bool' | 'float' | 'struct' | 'union' | 'enum' | 'pointer' | 'array' | 'other';

/** A type without const, volatile and type tags. */
export interface LayoutType {
  /** Bytes; of the whole array where it is one. 0: has none. */
  readonly size: number;
  /** Of the element where it is an array; `array` only for an array of arrays. */
  readonly kind: TypeKind;
  /** Of the element, typedefs resolved: `unsigned short`, `struct frontend_key`. */
  readonly type: string;
  /** Outermost typedef; tells `__be16` from `__u16`. */
  readonly typedef?: string;
  readonly arrayLength?: number;
  /** Texts of btf_decl_tag, in no promised order. */
  readonly tags: readonly string[];
}

export interface LayoutField extends LayoutType {
  /** '' when unnamed. */
  readonly name: string;
  readonly offset: number;
  /** Only of a bit-field. */
  readonly bits?: number;
}

export interface LayoutStruct {
  readonly name: string;
  readonly union: boolean;
  readonly size: number;
  readonly fields: readonly LayoutField[];
  readonly tags: readonly string[];
}

export interface LayoutEnum {
  readonly name: string;
  readonly values: readonly (readonly [name: string, value: number])[];
}

export interface LayoutInnerMap {
  readonly type: number;
  /** As libbpf and bpftool spell it: `lru_hash`. */
  readonly typeName: string;
  readonly keySize: number;
  readonly valueSize: number;
  /** As LayoutType's typedef, or type without one; an array carries its length. Absent: the map names only a size. */
  readonly keyType?: string;
  readonly valueType?: string;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface LayoutMap extends LayoutInnerMap {
  readonly name: string;
  readonly inner?: LayoutInnerMap;
  readonly tags: readonly string[];
}

export interface LayoutVariable extends LayoutType {
  readonly name: string;
  readonly section: string;
}

export interface ObjectLayout {
  readonly structs: readonly LayoutStruct[];
  readonly enums: readonly LayoutEnum[];
  readonly maps: readonly LayoutMap[];
  readonly variables: readonly LayoutVariable[];
}
