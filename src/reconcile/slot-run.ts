// SPDX-License-Identifier: Apache-2.0
// Pure: a table as numbers in consecutive slots, and back. First what the programs read by the set's mode, then, for
// services with session affinity, the members: how many, and their ids in ascending order (bpf/affinity.h).

import { SetMode } from '../abi/enums.gen.ts';
import type { Algorithm, SlotLayout } from '../plan/algorithm.ts';
import { slotIndexes, slotLayout, usesWeights } from '../plan/algorithm.ts';

export interface TableShape {
  readonly layout: SlotLayout;
  readonly withMembers: boolean;
}

/** A backend of a table. */
export interface Member {
  readonly id: number;
  readonly key: string;
  /** 1 where the algorithm knows none. */
  readonly weight: number;
}

const MODE: Readonly<Record<Algorithm, SetMode>> = {
  maglev: SetMode.Hash,
  sh: SetMode.Source,
  dh: SetMode.Destination,
  random: SetMode.Random,
  rr: SetMode.Turn,
  wrr: SetMode.Turn,
  p2c: SetMode.Two,
  lc: SetMode.Least,
  wlc: SetMode.Least,
  sed: SetMode.Sed,
  nq: SetMode.Nq,
};

export function setMode(algorithm: Algorithm): SetMode {
  return MODE[algorithm];
}

/** Undefined: a set without backends. */
export function layoutOf(mode: SetMode): SlotLayout | undefined {
  const algorithm = (Object.keys(MODE) as Algorithm[]).find((each) => MODE[each] === mode);
  return algorithm === undefined ? undefined : slotLayout(algorithm);
}

/** The algorithm that a mode was made from, as far as the maps tell. */
export function algorithmOfMode(mode: SetMode, weights: readonly number[]): Algorithm {
  const candidates = (Object.keys(MODE) as Algorithm[]).filter((each) => MODE[each] === mode);
  const weighted = weights.some((weight) => weight !== 1);
  return candidates.find((each) => usesWeights(each) === weighted) ?? candidates[0] ?? 'maglev';
}

/** members: in the order of their keys, at least one. Returns the slots and how many of them the set's word counts. */
export function encodeRun(
  { layout, withMembers }: TableShape,
  members: readonly Member[],
  cap: number,
): { readonly slots: Uint32Array; readonly count: number } {
  const ids = members.map(({ id }) => id);
  const indexes = slotIndexes(
    layout,
    members.map(({ key }) => key),
    members.map(({ weight }) => weight),
    cap,
  );
  const count = indexes.length;
  const slots = new Uint32Array(runLength(count, withMembers ? ids.length : undefined));
  for (let slot = 0; slot < count; slot++) {
    const value = indexes[slot] ?? 0;
    slots[slot] = layout === 'pairs' && slot % 2 === 1 ? value : (ids[value] ?? 0);
  }
  if (withMembers) {
    slots[count] = ids.length;
    slots.set(Uint32Array.from(ids).sort(), count + 1);
  }
  return { slots, count };
}

/** members undefined: without. */
export function runLength(count: number, members: number | undefined): number {
  return members === undefined ? count : count + 1 + members;
}

/** Ids met in the table at hand: there are millions of slots, and a Set of their ids would take seconds. */
export class Met {
  readonly #lastMet: Uint32Array;
  #table = 0;

  constructor(ids: number) {
    this.#lastMet = new Uint32Array(ids);
  }

  nextTable(): void {
    this.#table++;
  }

  /** True the first time. */
  add(id: number): boolean {
    if (this.#lastMet[id] === this.#table) return false;
    this.#lastMet[id] = this.#table;
    return true;
  }
}

/** Distinct ids of a run with their weights. Those of a Maglev table cannot be told: 1. */
export function decodeRun(layout: SlotLayout, slots: Uint32Array, met: Met): Map<number, number> {
  if (layout === 'pairs') {
    const weights = new Map<number, number>();
    for (let at = 0; at + 1 < slots.length; at += 2) weights.set(slots[at] ?? 0, slots[at + 1] ?? 1);
    return weights;
  }
  const turns = new Map<number, number>();
  met.nextTable();
  for (const id of slots) {
    if (layout === 'turns') turns.set(id, (turns.get(id) ?? 0) + 1);
    else if (met.add(id)) turns.set(id, 1);
  }
  return turns;
}
