// SPDX-License-Identifier: Apache-2.0
// From a pinned datapath to the rows of its maps: in words by map-rows.ts, or as bytes.

import path from 'node:path';
import type { MapName } from '../abi/maps.gen.ts';
import { MAPS } from '../abi/maps.gen.ts';
import { controlCodec } from '../abi/codecs.gen.ts';
import type { Frontend, FrontendKey, PairKey } from '../abi/codecs.gen.ts';
import { decodeBytes } from '../abi/codec.ts';
import type { Codec } from '../abi/codec.ts';
import type { Row } from '../datapath/lb-maps.ts';
import { addon } from '../kernel/addon.ts';
import { compareAddress } from '../net/ip.ts';
import { MAP_TYPE } from '../kernel/constants.ts';
import { TypedMap } from '../kernel/map.ts';
import type { NativeMap } from '../kernel/native-types.ts';
import { deviceNames } from './attachments.ts';
import type { CellRow } from './cell.ts';
import * as cells from './map-rows.ts';
import { Names } from './names.ts';
import type { FoundDatapath, PinnedDatapath } from './pinned-datapath.ts';
import type { SetView } from './sets.ts';
import { SetReader } from './sets.ts';
import { readDrops } from './status.ts';

export const MAP_NAMES = Object.keys(MAPS) as MapName[];

export interface DumpContext {
  readonly names: Names;
  readonly sets: SetReader;
  /** CLOCK_MONOTONIC in ns. */
  readonly monotonic: bigint;
}

export function dumpContext({ lb }: PinnedDatapath): DumpContext {
  return {
    names: new Names(lb.services(), lb.backends(), deviceNames()),
    sets: new SetReader(lb),
    monotonic: process.hrtime.bigint(),
  };
}

/** Walks while programs and agent go on writing: a row that changes meanwhile shows as it was or as it is. */
export function dumpMap(name: MapName, datapath: PinnedDatapath, context: DumpContext): Iterable<CellRow> {
  const { lb, maps } = datapath;
  const { names, sets, monotonic } = context;
  switch (name) {
    case 'frontends':
      return sorted(lb.frontends(), byFrontend).map((row) => cells.frontendCells(row, names));
    case 'services':
      return [...names.services].sort(([a], [b]) => a - b).map(cells.serviceCells);
    case 'backends':
      return mapRows(names.backends, cells.backendCells);
    case 'sets':
      return presentSets(context).map((set) => cells.setCells(set, names));
    case 'slots':
      return cells.slotCells(presentSets({ names, sets }), names);
    case 'flows4':
      return mapRows(lb.flows4(), (row) => cells.flowCells(row, names, monotonic));
    case 'flows6':
      return mapRows(lb.flows6(), (row) => cells.flowCells(row, names, monotonic));
    case 'sockets':
      return mapRows(lb.sockets(), (row) => cells.socketCells(row, names));
    case 'udp_peers':
      return mapRows(lb.udpPeers(), (row) => cells.udpPeerCells(row, names));
    case 'conns':
      return sorted(maps.conns.entries(), byPair).map((row) => cells.connsCells(row, names));
    case 'traffic':
      return sorted(maps.traffic.entries(), byPair).map((row) => cells.trafficCells(row, names));
    case 'node_addrs':
      return sorted(maps.nodeAddrs.entries(), ([a], [b]) => compareAddress(a.addr, b.addr)).map(cells.nodeAddrCells);
    case 'ifaces':
      return sorted(maps.ifaces.entries(), ([a], [b]) => a.ifindex - b.ifindex).map((row) =>
        cells.ifaceCells(row, names),
      );
    case 'service_addrs':
      return sorted(maps.serviceAddrs.entries(), ([a], [b]) => compareAddress(a.addr, b.addr)).map(
        cells.serviceAddrCells,
      );
    case 'service_ranges':
      return sorted(maps.serviceRanges.entries(), ([a], [b]) => compareAddress(a.addr, b.addr)).map(
        cells.serviceRangeCells,
      );
    case 'source_ranges':
      return sorted(maps.sourceRanges.entries(), ([a], [b]) => a.service - b.service).map((row) =>
        cells.sourceRangeCells(row, names),
      );
    case 'affinity':
      return mapRows(maps.affinity.entries(), (row) => cells.affinityCells(row, names, monotonic));
    case 'turns':
      return arrayRows(maps.turns.entries()).map(([set, asked]) => cells.turnCells(set, asked, names));
    case 'netns_opt_outs':
      return mapRows(maps.netnsOptOuts.entries(), cells.netnsCells);
    case 'drops':
      return readDrops(datapath).map(({ reason, packets, bytes }) => ({ reason, packets, bytes }));
    case 'udp_moves':
      return mapRows(maps.udpMoves.entries(), cells.udpMovesCells);
    case 'control':
      return controlRows(maps.control);
  }
}

export interface RawRow {
  /** Hexadecimal. */
  readonly key: string;
  /** Hexadecimal; one for each CPU where a map keeps them apart. */
  readonly values: readonly string[];
}

/** Any pinned map, of whatever layout. Rows of arrays that are all zeros are left out: most have never been written. */
export function* dumpRaw(found: FoundDatapath, name: string): Generator<RawRow> {
  const map = addon.openPinnedMap(path.join(found.paths.maps, name));
  try {
    const { type, valueSize } = map.info();
    const isArray = type === MAP_TYPE.ARRAY || type === MAP_TYPE.PERCPU_ARRAY;
    const perCpu = PER_CPU_TYPES.has(type);
    for (const [key, value] of perCpu ? walk(map) : rawRows(map)) {
      if (isArray && value.every((byte) => byte === 0)) continue;
      yield { key: hex(key), values: perCpu ? splitCpus(value, valueSize) : [hex(value)] };
    }
  } finally {
    map.close();
  }
}

// --- internal ---

/** Only small maps: flows and sockets are told as they come. */
function sorted<R>(rows: Iterable<R>, compare: (a: R, b: R) => number): R[] {
  return [...rows].sort(compare);
}

function byFrontend([a, of]: Row<FrontendKey, Frontend>, [b, than]: Row<FrontendKey, Frontend>): number {
  return of.service - than.service || compareAddress(a.addr, b.addr) || a.port - b.port || a.proto - b.proto;
}

function byPair([a]: Row<PairKey, unknown>, [b]: Row<PairKey, unknown>): number {
  return a.service - b.service || a.backend - b.backend;
}

/** Of an array: those that have ever been written. */
function arrayRows(rows: Iterable<Row<number, number>>): Row<number, number>[] {
  return [...rows].filter(([, value]) => value !== 0);
}

function* mapRows<R>(rows: Iterable<R>, toCells: (row: R) => CellRow): Generator<CellRow> {
  for (const row of rows) yield toCells(row);
}

/** Of services that have a name; others are not in use. */
function presentSets({ names, sets }: Pick<DumpContext, 'names' | 'sets'>): SetView[] {
  const ids = [...names.services.keys()].sort((a, b) => a - b).flatMap((id) => [2 * id, 2 * id + 1]);
  sets.prepare(ids);
  return ids.map((id) => sets.read(id));
}

function controlRows(map: NativeMap): CellRow[] {
  const bytes = map.lookup(new Uint8Array(4));
  return bytes === undefined ? [] : [cells.controlCells(decodeBytes(controlCodec, bytes))];
}

const PER_CPU_TYPES: ReadonlySet<number> = new Set([
  MAP_TYPE.PERCPU_HASH,
  MAP_TYPE.PERCPU_ARRAY,
  MAP_TYPE.LRU_PERCPU_HASH,
]);

function rawRows(map: NativeMap): Generator<readonly [Uint8Array, Uint8Array]> {
  const { keySize, valueSize } = map.info();
  return new TypedMap(map, bytesCodec(keySize), bytesCodec(valueSize)).entries();
}

function bytesCodec(size: number): Codec<Uint8Array> {
  return {
    name: `${String(size)} bytes`,
    size,
    encode: (value, view, offset) => {
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value);
    },
    decode: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size),
  };
}

function* walk(map: NativeMap): Generator<readonly [Uint8Array, Uint8Array]> {
  let key: Uint8Array | undefined;
  while ((key = map.nextKey(key)) !== undefined) {
    const value = map.lookup(key);
    if (value !== undefined) yield [key, value];
  }
}

function splitCpus(bytes: Uint8Array, valueSize: number): string[] {
  const stride = Math.ceil(valueSize / 8) * 8;
  const count = Math.floor(bytes.length / stride);
  return Array.from({ length: count }, (_, cpu) => hex(bytes.subarray(cpu * stride, cpu * stride + valueSize)));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
