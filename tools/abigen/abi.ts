// SPDX-License-Identifier: Apache-2.0
// What the emitters work from: the checked ABI, every field reduced to one of a few kinds. rules.ts makes it.

/** A fixed-width integer; `be`: network order. */
export interface Scalar {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  readonly be: boolean;
}

export type FieldKind =
  | { readonly is: 'scalar'; readonly scalar: Scalar }
  | { readonly is: 'scalars'; readonly scalar: Scalar; readonly length: number }
  | { readonly is: 'enum'; readonly scalar: Scalar; readonly name: string }
  | { readonly is: 'flags'; readonly scalar: Scalar; readonly name: string }
  | { readonly is: 'address'; readonly bytes: 4 | 16 }
  | { readonly is: 'mac' }
  | { readonly is: 'text'; readonly length: number }
  | { readonly is: 'struct'; readonly name: string }
  | { readonly is: 'pad' };

export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  /** As C spells it. */
  readonly type: string;
  readonly doc: string | undefined;
  readonly kind: FieldKind;
}

export interface Struct {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly Field[];
}

export interface Enum {
  readonly name: string;
  /** Without the count. */
  readonly members: readonly EnumMember[];
  /** A last member that is the enum's name in the plural says how many there are. */
  readonly count: EnumMember | undefined;
}

export interface EnumMember {
  /** As in C. */
  readonly name: string;
  /** Without the prefix that all members share, still in upper case. */
  readonly bare: string;
  readonly value: number;
}

/** A key or value: a struct, or one integer (that may hold an enum). */
export type MapSide =
  | { readonly is: 'struct'; readonly name: string; readonly size: number }
  | { readonly is: 'scalar'; readonly scalar: Scalar; readonly type: string; readonly enum: string | undefined };

export interface InnerMap {
  readonly type: number;
  readonly typeName: string;
  readonly key: MapSide | undefined;
  readonly value: MapSide | undefined;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface AbiMap extends InnerMap {
  readonly name: string;
  readonly doc: string | undefined;
  readonly inner: InnerMap | undefined;
}

export interface Setting {
  /** As in C, with `cfg_`. */
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly doc: string;
  readonly kind: FieldKind;
}

export interface Abi {
  readonly structs: readonly Struct[];
  readonly enums: readonly Enum[];
  readonly maps: readonly AbiMap[];
  readonly settings: readonly Setting[];
}
