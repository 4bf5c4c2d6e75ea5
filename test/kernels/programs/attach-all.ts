// SPDX-License-Identifier: Apache-2.0
// Runs in a namespace for load.test.ts and does what an agent does: opens the datapath on a BPF file system, attaches
// everything, says where everything is, and goes without taking anything away.

import { Datapath } from '../../../src/datapath/datapath.ts';
import type { Device } from '../../../src/datapath/devices.ts';
import { DeviceDoors } from '../../../src/datapath/devices.ts';
import { findAttachments } from '../../../src/observe/attachments.ts';

export interface Order {
  readonly bpffs: string;
  readonly object: string;
  readonly cgroup: string;
  readonly tcx: boolean;
  readonly settings: {
    readonly hasSetRetval: number;
    readonly hasCoarseClock: number;
    readonly hasNetnsCookie: number;
  };
  readonly devices: readonly Device[];
  /** ifindexes. */
  readonly present: readonly number[];
}

export type Attached = readonly { readonly program: string; readonly programId: number; readonly at: string }[];

const { bpffs, object, cgroup, tcx, settings, devices, present } = JSON.parse(process.argv[2] ?? '') as Order;
const datapath = await Datapath.open({ bpffs, object, settings, sizes: {} });
datapath.attachCgroup(cgroup);
const { failed } = new DeviceDoors(datapath, tcx).sync(devices, present);
if (failed.length > 0) throw new Error(failed.map(({ device, error }) => `${device}: ${String(error)}`).join(', '));
const attached: Attached = findAttachments(datapath.pins.paths).map(({ program, programId, by, kind, to }) => ({
  program,
  programId,
  at: kind === 'device' ? `${by} ${to}` : kind,
}));
process.stdout.write(`${JSON.stringify(attached)}\n`);
datapath.close();
