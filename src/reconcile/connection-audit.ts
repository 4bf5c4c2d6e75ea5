// SPDX-License-Identifier: Apache-2.0
// Active connections are counted by the programs, which do not see every end: a row that the LRU took, a process that was
// killed while the programs were away. A sweep meets what there is; the difference is written beside the count.

import type { PairKey } from '../abi/codecs.gen.ts';
import type { FlowMaps } from '../datapath/lb-maps.ts';
import { NO_TRAFFIC } from './traffic.ts';

type Maps = Pick<FlowMaps, 'getConns' | 'getTraffic' | 'putTraffic'>;

export class ConnectionAudit {
  readonly #maps: Maps;
  #met = new Map<string, { readonly key: PairKey; count: bigint }>();
  /** What the last sweep found: one that changes from sweep to sweep is only a connection that came in between. */
  #lost = new Map<string, bigint>();

  constructor(maps: Maps) {
    this.#maps = maps;
  }

  /** pairs: those that some algorithm compares; nobody asks for the others. */
  begin(pairs: Iterable<PairKey>): void {
    this.#met = new Map(Array.from(pairs, (key) => [nameOf(key), { key, count: 0n }]));
  }

  met(key: PairKey): void {
    const pair = this.#met.get(nameOf(key));
    if (pair !== undefined) pair.count++;
  }

  end(): void {
    const found = new Map<string, bigint>();
    for (const [name, { key, count }] of this.#met) {
      const lost = (this.#maps.getConns(key)?.active ?? 0n) - count;
      found.set(name, lost);
      const row = this.#maps.getTraffic(key) ?? NO_TRAFFIC;
      if (row.lost !== lost && this.#lost.get(name) === lost) this.#maps.putTraffic([[key, { ...row, lost }]]);
    }
    this.#lost = found;
    this.#met.clear();
  }
}

function nameOf({ service, backend }: PairKey): string {
  return `${String(service)} ${String(backend)}`;
}
