// SPDX-License-Identifier: Apache-2.0
// Loads the programs, finds or makes the pinned maps, attaches the doors. What is attached stays when the agent ends;
// an agent that starts again puts its programs in the old ones' place by one update of each link.

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Settings } from '../abi/config.gen.ts';
import { SETTINGS } from '../abi/config.gen.ts';
import { FINGERPRINT } from '../abi/fingerprint.gen.ts';
import { MAPS } from '../abi/maps.gen.ts';
import { BpfsvcError } from '../errors.ts';
import { addon } from '../kernel/addon.ts';
import { PROGRAM_TYPE } from '../kernel/constants.ts';
import { KernelError } from '../kernel/errors.ts';
import type { NativeLink, NativeMap, NativeObject, NativeProgram } from '../kernel/native-types.ts';
import type { PinPaths } from '../kernel/pins.ts';
import { PinDirectory } from '../kernel/pins.ts';
import { BpfLbMaps } from './bpf-lb-maps.ts';
import { HostMaps } from './host-maps.ts';
import type { MapSet } from './map-set.ts';
import { closeMaps, openMaps } from './map-set.ts';
import { segmentPinName, SlotSegments } from './slot-segments.ts';

export interface DatapathOptions {
  /** On a BPF file system. */
  readonly bpffs: string;
  /** Path of bpfsvc.bpf.o, of this program's layout (toolchain/provide). */
  readonly object: string;
  readonly settings: Partial<Settings>;
  /** Entries of maps that shall not have their default size. Pinned maps keep theirs. */
  readonly sizes: Readonly<Record<string, number>>;
}

export class Datapath {
  readonly maps: MapSet;
  readonly lb: BpfLbMaps;
  readonly host: HostMaps;
  readonly pins: PinDirectory;
  readonly #programs: ReadonlyMap<string, NativeProgram>;
  readonly #cgroupPrograms: readonly { readonly name: string; readonly attachType: number }[];

  private constructor(
    pins: PinDirectory,
    object: NativeObject,
    cgroupPrograms: { name: string; attachType: number }[],
  ) {
    this.pins = pins;
    this.maps = openMaps((name) => object.map(name));
    const pin = (index: number): string => path.join(pins.paths.maps, segmentPinName(index));
    let segments = 0;
    while (existsSync(pin(segments))) segments++;
    this.lb = new BpfLbMaps(this.maps, new SlotSegments(this.maps.slots, pin, segments));
    this.host = new HostMaps(this.maps);
    this.#cgroupPrograms = cgroupPrograms;
    this.#programs = new Map(object.programs().map(({ name }) => [name, object.program(name)]));
  }

  static async open(options: DatapathOptions): Promise<Datapath> {
    const pins = PinDirectory.open(options.bpffs, FINGERPRINT);
    const object = addon.openObject(options.object);
    try {
      const programs = object.programs();
      configure(object, options);
      if (pins.whole) reusePinned(object, pins.paths);
      load(object);
      if (!pins.whole)
        await pins.build((staging) => {
          pinMaps(object, staging);
        });
      const cgroupPrograms = programs
        .filter(({ type }) => type === PROGRAM_TYPE.CGROUP_SOCK_ADDR || type === PROGRAM_TYPE.CGROUP_SOCK)
        .map(({ name, expectedAttachType }) => ({ name, attachType: expectedAttachType }));
      return new Datapath(pins, object, cgroupPrograms);
    } catch (error) {
      pins.close();
      throw error;
    } finally {
      object.close();
    }
  }

  program(name: string): NativeProgram {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`the BPF object has no program ${name}`);
    return program;
  }

  linkPath(name: string): string {
    return path.join(this.pins.paths.links, name);
  }

  /** Names of pinned links. */
  links(): string[] {
    return readdirSync(this.pins.paths.links);
  }

  /** Socket programs on a cgroup v2 directory. Links to another one are dropped. */
  attachCgroup(cgroup: string): void {
    const { ino } = statSync(cgroup, { bigint: true });
    for (const { name, attachType } of this.#cgroupPrograms) {
      const program = this.program(name);
      const attach = (): NativeLink => addon.attachCgroup(program, cgroup, attachType);
      this.replaceLink(name, program, attach, (link) => link.info().cgroupId === ino);
    }
  }

  /** Puts the program behind the pinned link in one step; attaches and pins a new one when there is none that fits (the
   * device or cgroup has gone, or is another). */
  replaceLink(
    pinName: string,
    program: NativeProgram,
    attach: () => NativeLink,
    fits: (link: NativeLink) => boolean,
  ): void {
    const pin = this.linkPath(pinName);
    if (existsSync(pin)) {
      const link = addon.openPinnedLink(pin);
      try {
        if (fits(link)) {
          link.update(program);
          return;
        }
      } finally {
        link.close();
      }
      rmSync(pin);
    }
    const link = attach();
    try {
      link.pin(pin);
    } finally {
      link.close();
    }
  }

  /** Detaches by removing the last reference. */
  dropLink(pinName: string): void {
    rmSync(this.linkPath(pinName), { force: true });
  }

  /** Everything stays in the kernel. */
  close(): void {
    this.lb.close();
    this.host.close();
    closeMaps(this.maps);
    for (const program of this.#programs.values()) program.close();
    this.pins.close();
  }
}

function configure(object: NativeObject, { settings, sizes }: DatapathOptions): void {
  for (const [name, value] of Object.entries(settings)) {
    const setting = SETTINGS[name as keyof Settings];
    object.setVariable(setting.variable, (setting.encode as (value: number | bigint) => Uint8Array)(value));
  }
  for (const [name, entries] of Object.entries(sizes)) object.setMaxEntries(name, entries);
}

function reusePinned(object: NativeObject, pins: PinPaths): void {
  for (const name of Object.keys(MAPS)) {
    const map = addon.openPinnedMap(path.join(pins.maps, name));
    try {
      object.setMaxEntries(name, map.info().maxEntries);
      object.reuseMap(name, map);
    } finally {
      map.close();
    }
  }
}

function load(object: NativeObject): void {
  try {
    object.load();
  } catch (error) {
    if (!(error instanceof KernelError) || error.op !== 'map.create' || error.code !== 'ENOMEM') throw error;
    const map = object.maps().find(({ name }) => name === error.object);
    throw new BpfsvcError('map-memory', `cannot create map ${error.object}${map === undefined ? '' : sizeText(map)}`, {
      cause: error,
    });
  }
}

/** What rows alone take; tables and links of a hash come on top. */
function sizeText({ keySize, valueSize, maxEntries }: ReturnType<NativeObject['maps']>[number]): string {
  const rowSize = keySize + valueSize;
  const size = Math.ceil((maxEntries * rowSize) / 2 ** 20);
  return ` of ${String(maxEntries)} rows of ${String(rowSize)} bytes, more than ${String(size)} MiB`;
}

function pinMaps(object: NativeObject, pins: PinPaths): void {
  for (const name of Object.keys(MAPS)) {
    const map: NativeMap = object.map(name);
    try {
      map.pin(path.join(pins.maps, name));
    } finally {
      map.close();
    }
  }
}
