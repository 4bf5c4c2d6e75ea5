// SPDX-License-Identifier: Apache-2.0
// Source ranges of one Service's ports: new ones before a frontend asks for them, old ones when none does any more.

import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Goal } from './batch-goals.ts';
import { NO_RANGES, rangeId, rangeKey } from './present.ts';

export function addRanges({ ports, present }: Goal, maps: Pick<LbMaps, 'putSourceRanges'>): void {
  for (const [name, { wanted }] of ports) {
    const port = present.get(name);
    if (port === undefined || wanted.sourceRanges.length === 0) continue;
    const keys = wanted.sourceRanges.map((range) => rangeKey(port.service, range));
    const added = keys.filter((key) => !port.ranges.has(rangeId(key)));
    if (added.length === 0) continue;
    maps.putSourceRanges(added);
    port.ranges = new Map([...port.ranges, ...added.map((key) => [rangeId(key), key] as const)]);
  }
}

export function removeRanges({ ports, present }: Goal, maps: Pick<LbMaps, 'deleteSourceRanges'>): void {
  for (const [name, port] of present) {
    if (port.ranges.size === 0) continue;
    const wanted = ports.get(name)?.wanted.sourceRanges ?? [];
    const kept = new Set(wanted.map((range) => rangeId(rangeKey(port.service, range))));
    const gone = [...port.ranges].filter(([id]) => !kept.has(id));
    if (gone.length === 0) continue;
    maps.deleteSourceRanges(gone.map(([, key]) => key));
    port.ranges = kept.size === 0 ? NO_RANGES : new Map([...port.ranges].filter(([id]) => kept.has(id)));
  }
}
