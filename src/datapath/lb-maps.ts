// SPDX-License-Identifier: Apache-2.0
// The maps as the reconciler sees them: the seam where tests put fakes. Writes to sets, slots and backends are memory
// stores that cannot fail; the others may throw (a full map, an exhausted kernel) and are idempotent.

import type {
  Affinity,
  AffinityKey,
  Backend,
  Conns,
  Flow4,
  Flow4Key,
  Flow6,
  Flow6Key,
  Frontend,
  FrontendKey,
  PairKey,
  Service,
  ServiceAddr,
  ServiceAddrKey,
  Socket,
  SocketKey,
  SourceRangeKey,
  Traffic,
  UdpMoves,
  UdpPeer,
  UdpPeerKey,
} from '../abi/codecs.gen.ts';

export type Row<K, V> = readonly [K, V];

export interface Capacity {
  readonly frontends: number;
  readonly services: number;
  readonly backends: number;
  readonly slotSegments: number;
}

export interface LbMaps {
  readonly capacity: Capacity;

  /** The set's word (enum set_word); 0 means reject. */
  readSet(set: number): bigint;
  /** One atomic 64-bit store: every later lookup sees the new generation, none sees half of it. */
  writeSet(set: number, word: bigint): void;

  /** Rows in use, by ascending id. */
  backends(): Iterable<Row<number, Backend>>;
  readBackend(id: number): Backend;
  writeBackend(id: number, row: Backend): void;
  clearBackend(id: number): void;

  /** A run of slots, as memory shared with the kernel; it ends where its segment ends. Makes the segment when it does not
   * exist, which may fail. Valid until the next call. */
  slots(first: number, count: number): Uint32Array;
  /** Segments 0 … n-1 exist. */
  slotSegments(): number;

  frontends(): Iterable<Row<FrontendKey, Frontend>>;
  putFrontends(rows: readonly Row<FrontendKey, Frontend>[]): void;
  /** Absent keys are no error. */
  deleteFrontends(keys: readonly FrontendKey[]): void;

  services(): Iterable<Row<number, Service>>;
  putServices(rows: readonly Row<number, Service>[]): void;
  /** Absent ids are no error. */
  deleteServices(ids: readonly number[]): void;

  serviceAddrs(): Iterable<Row<ServiceAddrKey, ServiceAddr>>;
  putServiceAddrs(rows: readonly Row<ServiceAddrKey, ServiceAddr>[]): void;
  /** Absent keys are no error. */
  deleteServiceAddrs(keys: readonly ServiceAddrKey[]): void;

  sourceRanges(): Iterable<SourceRangeKey>;
  putSourceRanges(keys: readonly SourceRangeKey[]): void;
  /** Absent keys are no error. */
  deleteSourceRanges(keys: readonly SourceRangeKey[]): void;

  /** Resolves when every program that may have read the maps before the call has ended (an RCU grace period). */
  gracePeriod(): Promise<void>;
}

/** What the programs write and the sweeper reads. */
export interface FlowMaps {
  flows4(): Iterable<Row<Flow4Key, Flow4>>;
  flows6(): Iterable<Row<Flow6Key, Flow6>>;
  getFlow4(key: Flow4Key): Flow4 | undefined;
  getFlow6(key: Flow6Key): Flow6 | undefined;
  deleteFlows4(keys: readonly Flow4Key[]): void;
  deleteFlows6(keys: readonly Flow6Key[]): void;
  sockets(): Iterable<Row<SocketKey, Socket>>;
  getSocket(key: SocketKey): Socket | undefined;
  deleteSockets(keys: readonly SocketKey[]): void;
  udpPeers(): Iterable<Row<UdpPeerKey, UdpPeer>>;
  getTraffic(key: PairKey): Traffic | undefined;
  putTraffic(rows: readonly Row<PairKey, Traffic>[]): void;
  getConns(key: PairKey): Conns | undefined;
  affinity(): Iterable<Row<AffinityKey, Affinity>>;
  deleteAffinity(keys: readonly AffinityKey[]): void;
}

/** A flow as it was when it was found to be over: one direction's row, and the other's where there is one. */
export interface EndedFlow {
  readonly key: Flow4Key | Flow6Key;
  readonly row: Flow4 | Flow6;
  readonly pair: Flow4 | Flow6 | undefined;
}

export interface FlowRemover {
  /** False where a packet has come since: that flow stays whole. */
  remove(family: 4 | 6, flows: readonly EndedFlow[]): boolean[];
}

/** What is told of UDP that was moved; see struct udp_moves. */
export interface UdpMoveCounts {
  read(): UdpMoves;
  write(counts: UdpMoves): void;
}
