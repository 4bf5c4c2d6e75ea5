// SPDX-License-Identifier: Apache-2.0
// Pure: loadBalancerSourceRanges of one family, and what can be said of all pods of this node before the address of one is
// known: a socket has none yet when connect() is asked.

import type { Service } from '../model/types.ts';
import type { Family } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { includes, overlap, parsePrefixLenient } from '../net/prefix.ts';

/** by-address: some pods may be in the ranges and some not, or nobody has said where pods have their addresses. */
export type Restriction = 'pods-allowed' | 'pods-denied' | 'by-address';

/** One that lets everybody in filters nothing; nor do ranges that are all of the other family. */
export function rangesOf(service: Service, of: Family): Prefix[] {
  const ranges = service.sourceRanges
    .flatMap((text) => parsePrefixLenient(text) ?? [])
    .filter((range) => range.family === of);
  return ranges.some(({ bits }) => bits === 0) ? [] : ranges;
}

/** Undefined: everybody may come in. pods: where they have their addresses, of both families. */
export function restrictionOf(ranges: readonly Prefix[], pods: readonly Prefix[], of: Family): Restriction | undefined {
  if (ranges.length === 0) return undefined;
  const own = pods.filter((prefix) => prefix.family === of);
  if (own.length === 0) return 'by-address';
  if (own.every((prefix) => ranges.some((range) => includes(range, prefix)))) return 'pods-allowed';
  return own.some((prefix) => ranges.some((range) => overlap(range, prefix))) ? 'by-address' : 'pods-denied';
}
