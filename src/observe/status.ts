// SPDX-License-Identifier: Apache-2.0
// The state of a datapath in numbers, for `bpfsvc status`.

import type { UdpMoves } from '../abi/codecs.gen.ts';
import { BackendFlags, DROP_REASON_NAMES } from '../abi/enums.gen.ts';
import { BpfUdpMoveCounts } from '../datapath/udp-move-counts.ts';
import type { NativeMap } from '../kernel/native-types.ts';
import { pinRoot } from '../kernel/pins.ts';
import type { AgentReport } from './agent-report.ts';
import { AgentReportMap } from './agent-report.ts';
import type { Attachment } from './attachments.ts';
import { findAttachments } from './attachments.ts';
import { lockHolder } from './lock-holder.ts';
import type { FoundDatapath, PinnedDatapath } from './pinned-datapath.ts';
import { SetReader } from './sets.ts';

export interface Fill {
  readonly rows: number;
  readonly capacity: number;
}

export interface AgentStatus {
  /** By the lock that the kernel takes back when it ends, however that comes. */
  readonly running: boolean;
  readonly pid: number | null;
  /** Null: none was ever written here, or one that this bpfsvc cannot read. */
  readonly report: AgentReport | null;
}

export interface Status {
  readonly fingerprint: string;
  readonly directory: string;
  readonly otherFingerprints: readonly string[];
  readonly agent: AgentStatus;
  readonly attachments: readonly Attachment[];
  /** Ports of Services, by family. */
  readonly services: Fill;
  readonly frontends: Fill;
  readonly backends: Fill & { readonly retired: number };
  readonly sets: { readonly hash: number; readonly reject: number; readonly drop: number };
  readonly tables: { readonly count: number; readonly slots: number; readonly segments: number };
  readonly flows4: Fill;
  readonly flows6: Fill;
  readonly sockets: Fill;
  /** UDP towards backends that no longer serve: what was moved or ended ever, and which sockets are left now. */
  readonly udpMoves: UdpMoves;
  /** Every reason. */
  readonly drops: readonly { readonly reason: string; readonly packets: bigint; readonly bytes: bigint }[];
}

export function readStatus(bpffs: string, datapath: PinnedDatapath): Status {
  const { found, lb, maps } = datapath;
  const services = [...lb.services()].map(([id]) => id);
  const backends = [...lb.backends()];
  return {
    fingerprint: found.fingerprint,
    directory: found.paths.directory,
    otherFingerprints: found.others,
    agent: readAgent(bpffs, found),
    attachments: findAttachments(found.paths),
    services: { rows: services.length, capacity: lb.capacity.services },
    frontends: { rows: countRows(maps.frontends.native), capacity: lb.capacity.frontends },
    backends: {
      rows: backends.length,
      capacity: lb.capacity.backends,
      retired: backends.filter(([, { flags }]) => flags & BackendFlags.Retired).length,
    },
    ...countSets(services, new SetReader(lb), lb.slotSegments()),
    flows4: fill(maps.flows4.native),
    flows6: fill(maps.flows6.native),
    sockets: fill(maps.sockets.native),
    udpMoves: new BpfUdpMoveCounts(maps.udpMoves).read(),
    drops: readDrops(datapath),
  };
}

/** The map drops by reason, the CPUs' counts summed; without the reason that is none. */
export function readDrops({ maps }: Pick<PinnedDatapath, 'maps'>): Status['drops'] {
  return DROP_REASON_NAMES.slice(1).map((reason, index) => {
    const perCpu = maps.drops.getPerCpu(index + 1);
    const sum = (of: 'packets' | 'bytes'): bigint => perCpu.reduce((total, count) => total + count[of], 0n);
    return { reason, packets: sum('packets'), bytes: sum('bytes') };
  });
}

// --- internal ---

function readAgent(bpffs: string, { paths }: FoundDatapath): AgentStatus {
  const pid = lockHolder(pinRoot(bpffs));
  using map = AgentReportMap.find(paths.maps);
  return { running: pid !== undefined, pid: pid ?? null, report: map?.read() ?? null };
}

const BATCH = 4096;

/** Of a hash map; without decoding, a flow table has many. */
function countRows(map: NativeMap): number {
  let rows = 0;
  let cursor: Uint8Array | undefined;
  do {
    const batch = map.lookupBatch(cursor, BATCH);
    rows += batch.count;
    cursor = batch.cursor;
  } while (cursor !== undefined);
  return rows;
}

function fill(map: NativeMap): Fill {
  return { rows: countRows(map), capacity: map.info().maxEntries };
}

function countSets(services: readonly number[], reader: SetReader, segments: number): Pick<Status, 'sets' | 'tables'> {
  const sets = { hash: 0, reject: 0, drop: 0 };
  const tables = new Map<number, number>();
  for (const set of services.flatMap((id) => [2 * id, 2 * id + 1])) {
    const { mode, first, slots } = reader.place(set);
    if (mode in sets) sets[mode as keyof typeof sets]++;
    if (slots > 0) tables.set(first, slots);
  }
  return { sets, tables: { count: tables.size, slots: [...tables.values()].reduce((a, b) => a + b, 0), segments } };
}
