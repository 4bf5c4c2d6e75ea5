// SPDX-License-Identifier: Apache-2.0
// Layouts → the texts of all generated files, or the rules that they break. Reads and writes no file but prettier's
// settings, so that what is generated is also formatted.

import { format, resolveConfig } from 'prettier';
import type { ObjectLayout } from '../../src/kernel/layout.ts';
import { abiLines, fingerprint } from '../../src/toolchain/fingerprint.ts';
import { emitCodecs } from './emit-codecs.ts';
import { emitConfig } from './emit-config.ts';
import { emitDocs } from './emit-docs.ts';
import { emitEnums } from './emit-enums.ts';
import { emitFingerprint } from './emit-fingerprint.ts';
import { emitMaps } from './emit-maps.ts';
import type { HeaderNames } from './header.ts';
import { applyRules } from './rules.ts';

export interface Outputs {
  /** Where src/abi is, and the document. */
  readonly outDir: string;
  readonly doc: string;
}

export class RulesError extends Error {
  override readonly name = 'RulesError';

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? 'a rule' : `${problems.length} rules`;
    super(`the ABI breaks ${count}:\n${problems.map((text) => `  ${text}`).join('\n')}`);
  }
}

/** Path → text. */
export async function generate(
  layouts: readonly ObjectLayout[],
  header: HeaderNames,
  outputs: Outputs,
): Promise<Map<string, string>> {
  const { abi, problems } = applyRules(layouts, header);
  if (problems.length > 0) throw new RulesError(problems);
  const structs = abi.structs.map(({ name }) => name);
  const enums = abi.enums.map(({ name }) => name);
  const lines = abiLines(merge(layouts), structs, enums);
  const texts: [string, string][] = [
    [`${outputs.outDir}/codecs.gen.ts`, emitCodecs(abi)],
    [`${outputs.outDir}/enums.gen.ts`, emitEnums(abi)],
    [`${outputs.outDir}/maps.gen.ts`, emitMaps(abi)],
    [`${outputs.outDir}/config.gen.ts`, emitConfig(abi)],
    [`${outputs.outDir}/fingerprint.gen.ts`, emitFingerprint(lines)],
    [outputs.doc, emitDocs(abi, fingerprint(lines))],
  ];
  const formatted = texts.map(async ([path, text]): Promise<[string, string]> => {
    const options = await resolveConfig(path);
    return [path, await format(text, { ...options, filepath: path })];
  });
  return new Map(await Promise.all(formatted));
}

/** Same-named things are the same: the rules have seen to it. */
function merge(layouts: readonly ObjectLayout[]): ObjectLayout {
  return {
    structs: layouts.flatMap((layout) => layout.structs),
    enums: layouts.flatMap((layout) => layout.enums),
    maps: layouts.flatMap((layout) => layout.maps),
    variables: layouts.flatMap((layout) => layout.variables),
  };
}
