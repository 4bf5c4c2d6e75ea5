// SPDX-License-Identifier: Apache-2.0
// The pinned maps and what the kernel says of each.

import path from 'node:path';
import { addon } from '../kernel/addon.ts';
import { MAP_TYPE } from '../kernel/constants.ts';
import type { CellRow } from './cell.ts';
import type { FoundDatapath } from './pinned-datapath.ts';
import { pinnedMaps } from './pinned-datapath.ts';

const TYPE_NAMES = new Map<number, string>(Object.entries(MAP_TYPE).map(([name, type]) => [type, name.toLowerCase()]));

export function listMaps(found: FoundDatapath): CellRow[] {
  return pinnedMaps(found).map((name) => {
    const map = addon.openPinnedMap(path.join(found.paths.maps, name));
    try {
      const { id, type, keySize, valueSize, maxEntries, memlock } = map.info();
      const typeName = TYPE_NAMES.get(type) ?? String(type);
      return {
        map: name,
        type: typeName,
        id,
        keyBytes: keySize,
        valueBytes: valueSize,
        maxEntries,
        memoryBytes: memlock,
      };
    } finally {
      map.close();
    }
  });
}
