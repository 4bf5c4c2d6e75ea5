// SPDX-License-Identifier: Apache-2.0
// UDP flows of the packet path towards backends that no longer serve: their rows go, so that the next packet chooses
// anew. Walks the tables in bounded turns.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Flow } from '../abi/codecs.gen.ts';
import { FlowFlags, Proto } from '../abi/enums.gen.ts';
import type { FlowMaps, Row } from '../datapath/lb-maps.ts';
import type { AnyFlow, AnyFlowKey } from './traffic.ts';
import { foldTraffic } from './traffic.ts';

export type IsStale = (service: number, backend: number) => boolean;

interface Family {
  readonly rows: () => Iterable<Row<AnyFlowKey, AnyFlow>>;
  readonly find: (key: AnyFlowKey) => AnyFlow | undefined;
  readonly remove: (keys: readonly AnyFlowKey[]) => void;
}

const BATCH = 512;

export class UdpFlows {
  readonly #maps: FlowMaps;
  readonly #isStale: IsStale;
  readonly #families: readonly Family[];

  constructor(maps: FlowMaps, isStale: IsStale) {
    this.#maps = maps;
    this.#isStale = isStale;
    this.#families = [
      {
        rows: () => maps.flows4(),
        find: (key) => maps.getFlow4(key),
        remove: (keys) => {
          maps.deleteFlows4(keys);
        },
      },
      {
        rows: () => maps.flows6(),
        find: (key) => maps.getFlow6(key),
        remove: (keys) => {
          maps.deleteFlows6(keys);
        },
      },
    ];
  }

  /** How many flows were removed. `settled` waits for programs that had found a row before it went: by one of its rows
   * they may have made the other anew. */
  async removeStale(settled: () => Promise<void>): Promise<number> {
    let flows = 0;
    const removed: { family: Family; keys: readonly AnyFlowKey[] }[] = [];
    for (const family of this.#families) {
      const keys = await this.#staleKeys(family);
      flows += await this.#remove(family, keys);
      if (keys.length > 0) removed.push({ family, keys });
    }
    if (removed.length > 0) await settled();
    for (const { family, keys } of removed) await this.#remove(family, keys);
    return flows;
  }

  /** Those from the client first: without one, the next packet chooses anew; the other might make it again. */
  async #staleKeys({ rows }: Family): Promise<AnyFlowKey[]> {
    const forward: AnyFlowKey[] = [];
    const reply: AnyFlowKey[] = [];
    let seen = 0;
    for (const [key, { flow }] of rows()) {
      if (++seen % BATCH === 0) await nextTurn();
      if (this.#isStaleRow(key, flow)) (flow.flags & FlowFlags.Reply ? reply : forward).push(key);
    }
    return [...forward, ...reply];
  }

  async #remove({ find, remove }: Family, keys: readonly AnyFlowKey[]): Promise<number> {
    let flows = 0;
    for (let at = 0; at < keys.length; at += BATCH) {
      if (at > 0) await nextTurn();
      const over: Row<AnyFlowKey, AnyFlow>[] = [];
      for (const key of keys.slice(at, at + BATCH)) {
        // It may have been made anew, or swept.
        const row = find(key);
        if (row === undefined || !this.#isStaleRow(key, row.flow)) continue;
        over.push([key, row]);
        if ((row.flow.flags & FlowFlags.Reply) === 0) flows++;
      }
      foldTraffic(
        this.#maps,
        over.map(([, row]) => row),
      );
      remove(over.map(([key]) => key));
    }
    return flows;
  }

  #isStaleRow({ proto }: AnyFlowKey, { service, backend }: Flow): boolean {
    return proto === Proto.Udp && this.#isStale(service, backend);
  }
}
