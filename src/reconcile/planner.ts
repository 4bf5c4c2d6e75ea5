// SPDX-License-Identifier: Apache-2.0
// What is wanted: the plan of a Service by the objects and by what is known of this node, and while something cannot be
// read, what was there before.

import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Store } from '../model/store.ts';
import type { Node, ObjectKey } from '../model/types.ts';
import type { Prefix } from '../net/prefix.ts';
import { prefixText } from '../net/prefix.ts';
import type { Algorithm } from '../plan/algorithm.ts';
import { DEFAULT_ALGORITHM } from '../plan/algorithm.ts';
import type { NodeView } from '../plan/eligible.ts';
import { planService } from '../plan/plan.ts';
import type { WantedService } from '../plan/types.ts';
import type { KeptNames } from './inherited.ts';
import { Inherited } from './inherited.ts';
import type { PresentService } from './present.ts';

export interface PlannerOptions {
  readonly store: Store;
  readonly nodeName: string;
  /** Of Services that ask for none; DEFAULT_ALGORITHM if not given. */
  readonly algorithm?: Algorithm;
  /** Where this node's pods have their addresses, as far as that is known. */
  readonly podPrefixes?: (node: Node | undefined) => readonly Prefix[];
}

export class Planner {
  readonly #options: PlannerOptions;
  /** What all plans depend on, as text. */
  #viewed: string | undefined;
  /** Undefined: everything that was there before is known, or has gone. */
  #inherited: Inherited | undefined;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /** To be called once, before the first plan. */
  settleIn(services: ReadonlyMap<ObjectKey, PresentService>, maps: LbMaps): void {
    if (this.#options.store.unreadPlaces.length > 0) this.#inherited = new Inherited(services, maps);
  }

  plan(key: ObjectKey): WantedService {
    const { store } = this.#options;
    const service = store.services.get(key);
    const slices = store.slices.get(key) ?? [];
    const node = this.#view();
    const planned = service === undefined ? undefined : planService(service, slices, node);
    if (this.#inherited === undefined) return planned ?? { key, ports: [], warnings: [] };
    return this.#inherited.complete(key, { planned, slices, node, isPartial: store.isPartial(key) });
  }

  /** Whether every Service has to be planned anew: for the first time, or because this node looks different now. */
  takeChange(): 'first' | 'changed' | undefined {
    const { zone, podPrefixes = [] } = this.#view();
    const viewed = [zone, ...podPrefixes.map(prefixText)].join(' ');
    if (this.#viewed === viewed) return undefined;
    const change = this.#viewed === undefined ? 'first' : 'changed';
    this.#viewed = viewed;
    return change;
  }

  kept(): KeptNames {
    return this.#inherited?.kept() ?? { services: [], lists: [] };
  }

  /** Services that were kept, once everything can be read; undefined: nothing has changed. */
  release(): ObjectKey[] | undefined {
    if (this.#inherited === undefined || this.#options.store.unreadPlaces.length > 0) return undefined;
    const keys = [...this.#inherited.keys()];
    this.#inherited = undefined;
    return keys;
  }

  #view(): NodeView {
    const { store, nodeName, algorithm = DEFAULT_ALGORITHM, podPrefixes } = this.#options;
    const node = store.nodes.get(nodeName);
    return { name: nodeName, zone: node?.zone ?? '', algorithm, podPrefixes: podPrefixes?.(node) ?? [] };
  }
}
