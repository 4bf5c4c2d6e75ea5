// SPDX-License-Identifier: Apache-2.0
// What flows have carried: a row counts for itself while it lives, and for its service and backend afterwards.

import type { Flow, Flow4, Flow4Key, Flow6, Flow6Key, Traffic } from '../abi/codecs.gen.ts';
import { FlowFlags } from '../abi/enums.gen.ts';
import type { FlowMaps, Row } from '../datapath/lb-maps.ts';

export type AnyFlowKey = Flow4Key | Flow6Key;
export type AnyFlow = Flow4 | Flow6;

export const NO_TRAFFIC: Traffic = { inPackets: 0n, inBytes: 0n, outPackets: 0n, outBytes: 0n, lost: 0n };

type TrafficMap = Pick<FlowMaps, 'getTraffic' | 'putTraffic'>;

/** To be called before the rows are removed: a flow must not vanish from both places. */
export function foldTraffic(maps: TrafficMap, rows: readonly AnyFlow[]): void {
  fold(maps, rows, 1n);
}

/** Takes back what was folded of rows that stayed after all. */
export function unfoldTraffic(maps: TrafficMap, rows: readonly AnyFlow[]): void {
  fold(maps, rows, -1n);
}

// --- internal ---

function fold(maps: TrafficMap, rows: readonly AnyFlow[], sign: 1n | -1n): void {
  const sums = new Map<string, Row<{ service: number; backend: number }, Traffic>>();
  for (const { flow } of rows) {
    const key = { service: flow.service, backend: flow.backend };
    const name = `${String(key.service)} ${String(key.backend)}`;
    const before = sums.get(name)?.[1] ?? maps.getTraffic(key) ?? NO_TRAFFIC;
    sums.set(name, [key, addFlow(before, flow, sign)]);
  }
  if (sums.size > 0) maps.putTraffic([...sums.values()]);
}

/** A flow's row counts one direction: in is client -> backend. */
function addFlow(sum: Traffic, flow: Flow, sign: 1n | -1n): Traffic {
  const packets = sign * flow.packets;
  const bytes = sign * flow.bytes;
  if (flow.flags & FlowFlags.Reply) {
    return { ...sum, outPackets: sum.outPackets + packets, outBytes: sum.outBytes + bytes };
  }
  return { ...sum, inPackets: sum.inPackets + packets, inBytes: sum.inBytes + bytes };
}
