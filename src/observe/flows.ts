// SPDX-License-Identifier: Apache-2.0
// What a flow's row says of its life. Pure.

import type { Flow } from '../abi/codecs.gen.ts';
import { FlowFlags, FlowState } from '../abi/enums.gen.ts';

/** Units of flow.last_seen in a second. */
const CLOCK_HZ = 1e9 / 2 ** 30;

/** Seconds since the last packet. monotonic: CLOCK_MONOTONIC in ns. */
export function flowAge(flow: Pick<Flow, 'lastSeen'>, monotonic: bigint): number {
  const now = Number((monotonic >> 30n) & 0xffff_ffffn);
  // A row may be written after the clock was read.
  return Math.max(0, (now - flow.lastSeen) | 0) / CLOCK_HZ;
}

/** Client -> backend; a flow's other row is the reply. */
export function isForward(flow: Pick<Flow, 'flags'>): boolean {
  return (flow.flags & FlowFlags.Reply) === 0;
}

/** Reset, or closed from both sides: it stays in the table for a while, but no connection is left. */
export function hasEnded({ state }: Pick<Flow, 'state'>): boolean {
  const bothSides = FlowState.Fin | FlowState.PeerFin;
  return (state & FlowState.Rst) !== 0 || (state & bothSides) === bothSides;
}
