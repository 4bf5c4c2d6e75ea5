// SPDX-License-Identifier: Apache-2.0
// maps.gen.ts: the table of maps with the codecs of their rows.

import type { Abi, InnerMap, MapSide } from './abi.ts';
import { Imports } from './emit-fields.ts';
import { banner } from './emit.ts';
import { camelCase } from './names.ts';

export function emitMaps(abi: Abi): string {
  const imports = new Imports();
  imports.type('./codec.ts', 'Codec');
  const maps = abi.maps.map((map) => {
    const inner = map.inner === undefined ? '' : `inner: { ${emitRows(map.inner, imports)} },`;
    return `${map.name}: {
  name: '${map.name}',
  ${emitRows(map, imports)}${inner}
  doc: ${JSON.stringify(map.doc ?? '')},
},`;
  });
  return `${banner('The maps, with the codecs of their keys and values.')}
${imports.toString()}
/** Of a map, or of the maps that a map of maps holds. */
export interface MapRows {
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** As bpftool spells it. */
  readonly typeName: string;
  /** Undefined: the type has no key or value, or it is a descriptor. */
  readonly key: Codec<unknown> | undefined;
  readonly value: Codec<unknown> | undefined;
  /** The integer key holds this enum, a key of ENUMS. */
  readonly keyEnum?: string;
  /** Default; the agent may set another before load. */
  readonly maxEntries: number;
  readonly flags: number;
  /** A lookup gives one value per possible CPU. */
  readonly perCpu: boolean;
}

export interface MapTable extends MapRows {
  readonly name: string;
  readonly inner?: MapRows;
  readonly doc: string;
}

export const MAPS = {
${maps.join('\n')}
} as const satisfies Record<string, MapTable>;

export type MapName = keyof typeof MAPS;
`;
}

function emitRows(map: InnerMap, imports: Imports): string {
  const keyEnum = map.key?.is === 'scalar' && map.key.enum !== undefined ? `keyEnum: '${map.key.enum}',` : '';
  return `type: ${map.type}, typeName: '${map.typeName}', key: ${emitSide(map.key, imports)},
    value: ${emitSide(map.value, imports)}, ${keyEnum} maxEntries: ${map.maxEntries}, flags: ${map.flags},
    perCpu: ${map.typeName.includes('percpu')},`;
}

function emitSide(side: MapSide | undefined, imports: Imports): string {
  if (side === undefined) return 'undefined';
  if (side.is === 'struct') return imports.value('./codecs.gen.ts', `${camelCase(side.name)}Codec`);
  if (side.type === '__u32' || side.type === '__u64') return imports.helper(`${side.type.slice(2)}Codec`);
  throw new Error(`a map's key or value is ${side.type}; codec.ts has codecs for __u32 and __u64 only`);
}
