// SPDX-License-Identifier: Apache-2.0
// The texts of btf_decl_tag that abigen understands, parsed. An unknown text is a problem: a misspelt tag would
// otherwise turn an address into 16 numbers without a word.

export interface Tags {
  readonly address: boolean;
  readonly mac: boolean;
  readonly enum: string | undefined;
  readonly flags: string | undefined;
  readonly doc: string | undefined;
  /** On a struct: part of the ABI although abi.h does not define it. */
  readonly abi: boolean;
  /** On a map: the integer key holds this enum. */
  readonly keyEnum: string | undefined;
  /** On a map of maps: the struct in an inner map's rows, which clang leaves out of BTF. */
  readonly innerValue: string | undefined;
  readonly unknown: readonly string[];
}

export type TagName = 'address' | 'mac' | 'enum' | 'flags' | 'doc' | 'abi' | 'key_enum' | 'inner_value';

/** `allowed` are those that mean something in this place. */
export function parseTags(texts: readonly string[], allowed: readonly TagName[]): Tags {
  const found = new Map<string, string>();
  const unknown: string[] = [];
  for (const text of texts) {
    const colon = text.indexOf(':');
    const name = colon < 0 ? text : text.slice(0, colon);
    if ((allowed as readonly string[]).includes(name)) found.set(name, colon < 0 ? '' : text.slice(colon + 1).trim());
    else unknown.push(text);
  }
  return {
    address: found.has('address'),
    mac: found.has('mac'),
    enum: found.get('enum'),
    flags: found.get('flags'),
    doc: found.get('doc'),
    abi: found.has('abi'),
    keyEnum: found.get('key_enum'),
    innerValue: found.get('inner_value'),
    unknown,
  };
}
