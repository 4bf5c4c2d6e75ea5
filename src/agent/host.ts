// SPDX-License-Identifier: Apache-2.0
// Carries the state of this host into the datapath: doors on uplinks, interfaces, node addresses, the generation.

import type { Datapath } from '../datapath/datapath.ts';
import { DeviceDoors } from '../datapath/devices.ts';
import { messageOf } from '../errors.ts';
import { addon } from '../kernel/addon.ts';
import { LinkMonitor } from '../kernel/netlink.ts';
import type { Logger } from '../log.ts';
import { contains, parsePrefix } from '../net/prefix.ts';
import type { Prefix } from '../net/prefix.ts';
import type { HostState } from '../sources/links.ts';
import { LinkSource } from '../sources/links.ts';

export interface HostOptions {
  readonly datapath: Datapath;
  readonly devices: readonly string[];
  readonly nodePortAddresses: readonly string[];
  readonly tcx: boolean;
  readonly log: Logger;
  /** All there are, when that may have changed. */
  readonly onProblems: (messages: readonly string[]) => void;
}

const NO_UPLINK = 'no uplink: traffic from outside is not balanced; name devices with --devices';

export class Host {
  readonly #options: HostOptions;
  readonly #links: LinkSource;
  readonly #doors: DeviceDoors;
  readonly #prefixes: readonly Prefix[];
  #open = false;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#doors = new DeviceDoors(options.datapath, options.tcx);
    this.#prefixes = options.nodePortAddresses.flatMap((text) => parsePrefix(text) ?? []);
    const generation = options.datapath.host.generation + 1;
    const monitor = new LinkMonitor(addon);
    this.#links = new LinkSource(
      options.devices.length > 0
        ? { monitor, devices: options.devices.join(','), generation }
        : { monitor, generation },
    );
  }

  /** Fills the maps that tell the programs of this host; no door is opened yet. */
  start(): void {
    this.#links.on('change', (state) => {
      this.#apply(state);
    });
    this.#apply(this.#links.start());
  }

  /** From now on uplinks have doors. */
  openDoors(): void {
    this.#open = true;
    this.#syncDoors(this.#links.state);
  }

  stop(): void {
    this.#links.close();
  }

  #apply(state: HostState): void {
    const { host } = this.#options.datapath;
    host.setInterfaces(state.ifaces, new Set(state.uplinks.map(({ ifindex }) => ifindex)));
    host.setNodeAddresses(
      state.addresses.filter(
        (address) => this.#prefixes.length === 0 || this.#prefixes.some((prefix) => contains(prefix, address)),
      ),
    );
    host.generation = state.generation;
    if (this.#open) this.#syncDoors(state);
  }

  #syncDoors(state: HostState): void {
    const { log, onProblems } = this.#options;
    const { attached, detached, failed } = this.#doors.sync(
      state.uplinks,
      state.ifaces.map(({ ifindex }) => ifindex),
    );
    if (attached.length > 0) log.info({ devices: attached }, 'attached to uplinks');
    if (detached.length > 0) log.info({ ifindexes: detached }, 'detached from devices');
    for (const { device, error } of failed) log.error({ device, err: error }, 'cannot attach to the uplink');
    if (state.uplinks.length === 0) log.warn(NO_UPLINK);
    onProblems([
      ...failed.map(({ device, error }) => `cannot attach to the uplink ${device}: ${messageOf(error)}`),
      ...(state.uplinks.length === 0 ? [NO_UPLINK] : []),
    ]);
  }
}
