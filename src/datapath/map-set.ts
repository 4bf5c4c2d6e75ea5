// SPDX-License-Identifier: Apache-2.0
// The maps by name, each with its codecs: opened from a loaded object or from pins, typed once for all who use them.

import { u32Codec, u64Codec } from '../abi/codec.ts';
import {
  affinityCodec,
  affinityKeyCodec,
  connsCodec,
  dropCountCodec,
  flow4Codec,
  flow4KeyCodec,
  flow6Codec,
  flow6KeyCodec,
  frontendCodec,
  frontendKeyCodec,
  ifaceCodec,
  ifaceKeyCodec,
  netnsKeyCodec,
  netnsOptOutCodec,
  nodeAddrCodec,
  nodeAddrKeyCodec,
  pairKeyCodec,
  serviceAddrCodec,
  serviceAddrKeyCodec,
  serviceCodec,
  serviceRangeCodec,
  serviceRangeKeyCodec,
  socketCodec,
  socketKeyCodec,
  sourceRangeCodec,
  sourceRangeKeyCodec,
  trafficCodec,
  udpMovesCodec,
  udpPeerCodec,
  udpPeerKeyCodec,
} from '../abi/codecs.gen.ts';
import { TypedMap } from '../kernel/map.ts';
import type { NativeMap } from '../kernel/native-types.ts';

export type MapOpener = (name: string) => NativeMap;

/** Closed together by closeMaps. */
export function openMaps(open: MapOpener) {
  return {
    frontends: new TypedMap(open('frontends'), frontendKeyCodec, frontendCodec),
    services: new TypedMap(open('services'), u32Codec, serviceCodec),
    serviceAddrs: new TypedMap(open('service_addrs'), serviceAddrKeyCodec, serviceAddrCodec),
    serviceRanges: new TypedMap(open('service_ranges'), serviceRangeKeyCodec, serviceRangeCodec),
    sourceRanges: new TypedMap(open('source_ranges'), sourceRangeKeyCodec, sourceRangeCodec),
    affinity: new TypedMap(open('affinity'), affinityKeyCodec, affinityCodec),
    flows4: new TypedMap(open('flows4'), flow4KeyCodec, flow4Codec),
    flows6: new TypedMap(open('flows6'), flow6KeyCodec, flow6Codec),
    sockets: new TypedMap(open('sockets'), socketKeyCodec, socketCodec),
    udpPeers: new TypedMap(open('udp_peers'), udpPeerKeyCodec, udpPeerCodec),
    nodeAddrs: new TypedMap(open('node_addrs'), nodeAddrKeyCodec, nodeAddrCodec),
    ifaces: new TypedMap(open('ifaces'), ifaceKeyCodec, ifaceCodec),
    netnsOptOuts: new TypedMap(open('netns_opt_outs'), netnsKeyCodec, netnsOptOutCodec),
    turns: new TypedMap(open('turns'), u32Codec, u32Codec),
    conns: new TypedMap(open('conns'), pairKeyCodec, connsCodec),
    traffic: new TypedMap(open('traffic'), pairKeyCodec, trafficCodec),
    drops: new TypedMap(open('drops'), u32Codec, dropCountCodec),
    udpMoves: new TypedMap(open('udp_moves'), u32Codec, udpMovesCodec),
    sets: new TypedMap(open('sets'), u32Codec, u64Codec),
    backends: open('backends'),
    slots: open('slots'),
    control: open('control'),
  };
}

export type MapSet = ReturnType<typeof openMaps>;

export function closeMaps(maps: MapSet): void {
  for (const map of Object.values(maps)) map.close();
}
