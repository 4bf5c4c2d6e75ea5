// SPDX-License-Identifier: Apache-2.0
// LbMaps and FlowMaps on the kernel's maps. Sets and backends are mapped whole, slots by window: writing them is a
// store to memory, no system call.

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
  UdpPeer,
  UdpPeerKey,
} from '../abi/codecs.gen.ts';
import { backendCodec } from '../abi/codecs.gen.ts';
import { SlotGeometry } from '../abi/enums.gen.ts';
import { addon } from '../kernel/addon.ts';
import type { Capacity, FlowMaps, LbMaps, Row } from './lb-maps.ts';
import type { MapSet } from './map-set.ts';
import type { SlotSegments } from './slot-segments.ts';

const WORD_BYTES = BigUint64Array.BYTES_PER_ELEMENT;
const BACKEND_WORDS = backendCodec.size / WORD_BYTES;

export class BpfLbMaps implements LbMaps, FlowMaps {
  readonly capacity: Capacity;
  readonly #maps: MapSet;
  readonly #segments: SlotSegments;
  readonly #sets: BigUint64Array;
  readonly #backends: DataView;
  readonly #backendWords: BigUint64Array;

  constructor(maps: MapSet, segments: SlotSegments) {
    this.#maps = maps;
    this.#segments = segments;
    const sets = maps.sets.native.info().maxEntries;
    const backends = maps.backends.info().maxEntries;
    this.capacity = {
      frontends: maps.frontends.native.info().maxEntries,
      services: Math.min(Math.floor(sets / 2), maps.services.native.info().maxEntries),
      backends,
      slotSegments: SlotGeometry.SlotSegments,
    };
    this.#sets = new BigUint64Array(maps.sets.native.mmap(0, sets * WORD_BYTES));
    const memory = maps.backends.mmap(0, backends * backendCodec.size);
    this.#backends = new DataView(memory);
    this.#backendWords = new BigUint64Array(memory);
  }

  close(): void {
    this.#maps.sets.native.munmap(this.#sets.buffer as ArrayBuffer);
    this.#maps.backends.munmap(this.#backends.buffer as ArrayBuffer);
    this.#segments.close();
  }

  readSet(set: number): bigint {
    return Atomics.load(this.#sets, set);
  }

  writeSet(set: number, word: bigint): void {
    if (set >= this.#sets.length)
      throw new RangeError(`set ${String(set)} is beyond the map's ${String(this.#sets.length)}`);
    Atomics.store(this.#sets, set, word);
  }

  *backends(): Generator<Row<number, Backend>> {
    for (let id = 0; id < this.capacity.backends; id++) {
      const at = id * BACKEND_WORDS;
      if (this.#backendWords[at] === 0n && this.#backendWords[at + 1] === 0n) continue;
      yield [id, this.readBackend(id)];
    }
  }

  readBackend(id: number): Backend {
    return backendCodec.decode(this.#backends, id * backendCodec.size);
  }

  writeBackend(id: number, row: Backend): void {
    backendCodec.encode(row, this.#backends, id * backendCodec.size);
  }

  clearBackend(id: number): void {
    this.#backendWords.fill(0n, id * BACKEND_WORDS, (id + 1) * BACKEND_WORDS);
  }

  slots(first: number, count: number): Uint32Array {
    return this.#segments.slots(first, count);
  }

  slotSegments(): number {
    return this.#segments.count;
  }

  frontends(): Iterable<Row<FrontendKey, Frontend>> {
    return this.#maps.frontends.entries();
  }

  putFrontends(rows: readonly Row<FrontendKey, Frontend>[]): void {
    this.#maps.frontends.setMany(rows);
  }

  deleteFrontends(keys: readonly FrontendKey[]): void {
    this.#maps.frontends.deleteMany(keys);
  }

  services(): Iterable<Row<number, Service>> {
    return this.#maps.services.entries();
  }

  putServices(rows: readonly Row<number, Service>[]): void {
    this.#maps.services.setMany(rows);
  }

  deleteServices(ids: readonly number[]): void {
    this.#maps.services.deleteMany(ids);
  }

  serviceAddrs(): Iterable<Row<ServiceAddrKey, ServiceAddr>> {
    return this.#maps.serviceAddrs.entries();
  }

  putServiceAddrs(rows: readonly Row<ServiceAddrKey, ServiceAddr>[]): void {
    this.#maps.serviceAddrs.setMany(rows);
  }

  deleteServiceAddrs(keys: readonly ServiceAddrKey[]): void {
    this.#maps.serviceAddrs.deleteMany(keys);
  }

  *sourceRanges(): Iterable<SourceRangeKey> {
    for (const [key] of this.#maps.sourceRanges.entries()) yield key;
  }

  putSourceRanges(keys: readonly SourceRangeKey[]): void {
    this.#maps.sourceRanges.setMany(keys.map((key) => [key, { reserved: 0 }]));
  }

  deleteSourceRanges(keys: readonly SourceRangeKey[]): void {
    this.#maps.sourceRanges.deleteMany(keys);
  }

  gracePeriod(): Promise<void> {
    return addon.rcuBarrier();
  }

  flows4(): Iterable<Row<Flow4Key, Flow4>> {
    return this.#maps.flows4.entries();
  }

  flows6(): Iterable<Row<Flow6Key, Flow6>> {
    return this.#maps.flows6.entries();
  }

  getFlow4(key: Flow4Key): Flow4 | undefined {
    return this.#maps.flows4.get(key);
  }

  getFlow6(key: Flow6Key): Flow6 | undefined {
    return this.#maps.flows6.get(key);
  }

  deleteFlows4(keys: readonly Flow4Key[]): void {
    this.#maps.flows4.deleteMany(keys);
  }

  deleteFlows6(keys: readonly Flow6Key[]): void {
    this.#maps.flows6.deleteMany(keys);
  }

  sockets(): Iterable<Row<SocketKey, Socket>> {
    return this.#maps.sockets.entries();
  }

  getSocket(key: SocketKey): Socket | undefined {
    return this.#maps.sockets.get(key);
  }

  deleteSockets(keys: readonly SocketKey[]): void {
    this.#maps.sockets.deleteMany(keys);
  }

  udpPeers(): Iterable<Row<UdpPeerKey, UdpPeer>> {
    return this.#maps.udpPeers.entries();
  }

  getTraffic(key: PairKey): Traffic | undefined {
    return this.#maps.traffic.get(key);
  }

  putTraffic(rows: readonly Row<PairKey, Traffic>[]): void {
    this.#maps.traffic.setMany(rows);
  }

  getConns(key: PairKey): Conns | undefined {
    return this.#maps.conns.get(key);
  }

  affinity(): Iterable<Row<AffinityKey, Affinity>> {
    return this.#maps.affinity.entries();
  }

  deleteAffinity(keys: readonly AffinityKey[]): void {
    this.#maps.affinity.deleteMany(keys);
  }
}
