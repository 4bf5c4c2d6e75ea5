// SPDX-License-Identifier: Apache-2.0
// Rows of no Service that the predecessor has left: they go, unless a Service has taken them over by then.

import type { FrontendKey, SourceRangeKey } from '../abi/codecs.gen.ts';
import type { State } from './batch.ts';
import { frontendId, rangeId } from './present.ts';

export interface StrayRows {
  readonly frontends: readonly FrontendKey[];
  readonly sourceRanges: readonly SourceRangeKey[];
}

export class Strays {
  readonly #state: State;
  #frontends: readonly FrontendKey[];
  #sourceRanges: readonly SourceRangeKey[];

  constructor(state: State, { frontends, sourceRanges }: StrayRows) {
    this.#state = state;
    this.#frontends = frontends;
    this.#sourceRanges = sourceRanges;
  }

  /** Throws what the maps throw, and can be called again. */
  remove(): void {
    const { maps, owners, addresses } = this.#state;
    const frontends = this.#frontends.filter((key) => !owners.has(frontendId(key)));
    if (frontends.length > 0) maps.deleteFrontends(frontends);
    this.#frontends = [];
    if (this.#sourceRanges.length > 0) this.#removeRanges();
    addresses.settle();
  }

  /** A new port may have got the id that these rows name. */
  #removeRanges(): void {
    const { maps, services } = this.#state;
    const taken = new Map<number, ReadonlyMap<string, SourceRangeKey>>();
    for (const ports of services.values()) for (const { service, ranges } of ports.values()) taken.set(service, ranges);
    const gone = this.#sourceRanges.filter((key) => taken.get(key.service)?.has(rangeId(key)) !== true);
    if (gone.length > 0) maps.deleteSourceRanges(gone);
    this.#sourceRanges = [];
  }
}
