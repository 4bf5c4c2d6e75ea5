// SPDX-License-Identifier: Apache-2.0
// The per-packet doors on devices: tcx where the kernel has it, clsact before. A pinned tcx link says by its name which
// device it is for; a clsact filter is known by its handle and priority.

import { addon } from '../kernel/addon.ts';
import { ATTACH_TYPE } from '../kernel/constants.ts';
import type { Datapath } from './datapath.ts';

export interface Device {
  readonly ifindex: number;
  readonly name: string;
  /** ARPHRD_* of if_arp.h. */
  readonly arphrd: number;
}

type Direction = 'ingress' | 'egress';

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];
const ATTACH: Readonly<Record<Direction, number>> = {
  ingress: ATTACH_TYPE.TCX_INGRESS,
  egress: ATTACH_TYPE.TCX_EGRESS,
};
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const CLSACT_HANDLE = 0x62_70_66;
const CLSACT_PRIORITY = 50;
const PIN = /^tc_(?:ingress|egress)-(\d+)$/;

export interface DeviceChange {
  readonly attached: readonly string[];
  /** ifindexes; their names may be gone. */
  readonly detached: readonly number[];
  readonly failed: readonly { readonly device: string; readonly error: unknown }[];
}

export class DeviceDoors {
  readonly #datapath: Datapath;
  readonly #tcx: boolean;
  readonly #attached = new Map<number, string>();

  constructor(datapath: Datapath, tcx: boolean) {
    this.#datapath = datapath;
    this.#tcx = tcx;
  }

  get attached(): readonly string[] {
    return [...this.#attached.values()];
  }

  /** Attaches to these devices and to no other. present: the ifindexes of all devices that exist. */
  sync(devices: readonly Device[], present: readonly number[]): DeviceChange {
    const attached: string[] = [];
    const failed: { device: string; error: unknown }[] = [];
    for (const device of devices) {
      if (this.#attached.has(device.ifindex)) continue;
      try {
        for (const direction of DIRECTIONS) this.#attach(device, direction);
        this.#attached.set(device.ifindex, device.name);
        attached.push(device.name);
      } catch (error) {
        failed.push({ device: device.name, error });
      }
    }
    return { attached, failed, detached: this.#detachOthers(new Set(devices.map(({ ifindex }) => ifindex)), present) };
  }

  #attach(device: Device, direction: Direction): void {
    const layer2 = device.arphrd === ARPHRD_ETHER || device.arphrd === ARPHRD_LOOPBACK;
    const program = this.#datapath.program(`tc_${direction}${layer2 ? '' : '_l3'}`);
    if (!this.#tcx) {
      addon.attachClsact(program, device.ifindex, direction, CLSACT_HANDLE, CLSACT_PRIORITY);
      return;
    }
    this.#datapath.replaceLink(
      `tc_${direction}-${String(device.ifindex)}`,
      program,
      () => addon.attachTcx(program, device.ifindex, ATTACH[direction]),
      (link) => link.info().ifindex === device.ifindex,
    );
  }

  /** What a predecessor left counts, too. */
  #detachOthers(wanted: ReadonlySet<number>, present: readonly number[]): number[] {
    const detached = new Set<number>();
    for (const pin of this.#datapath.links()) {
      const ifindex = Number(PIN.exec(pin)?.[1] ?? Number.NaN);
      if (Number.isNaN(ifindex) || wanted.has(ifindex)) continue;
      this.#datapath.dropLink(pin);
      detached.add(ifindex);
    }
    for (const ifindex of this.#tcx ? [] : present) {
      if (wanted.has(ifindex)) continue;
      if (detachClsact(ifindex)) detached.add(ifindex);
    }
    for (const ifindex of this.#attached.keys()) if (!wanted.has(ifindex)) this.#attached.delete(ifindex);
    return [...detached];
  }
}

/** Removes our filters from a device, both directions. True: there was one. */
export function detachClsact(ifindex: number): boolean {
  return (
    DIRECTIONS.filter((direction) => addon.detachClsact(ifindex, direction, CLSACT_HANDLE, CLSACT_PRIORITY)).length > 0
  );
}

/** Id of our program in a filter on the device; undefined: there is none. */
export function clsactProgram(ifindex: number, direction: Direction): number | undefined {
  return addon.queryClsact(ifindex, direction, CLSACT_HANDLE, CLSACT_PRIORITY);
}
