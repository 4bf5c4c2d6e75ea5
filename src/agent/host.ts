// SPDX-License-Identifier: Apache-2.0
// Carries the state of this host into the datapath: doors on uplinks, interfaces, node addresses, the generation.

import type { Datapath } from '../datapath/datapath.ts';
import { DeviceDoors } from '../datapath/devices.ts';
import { messageOf } from '../errors.ts';
import { addon } from '../kernel/addon.ts';
import { LinkMonitor } from '../kernel/netlink.ts';
import type { Logger } from '../log.ts';
import type { Node } from '../model/types.ts';
import type { HostState } from '../sources/links.ts';
import { LinkSource } from '../sources/links.ts';
import type { NodePortPolicy } from './node-port-addresses.ts';
import { nodePortAddresses } from './node-port-addresses.ts';

export interface HostOptions {
  readonly datapath: Datapath;
  readonly devices: readonly string[];
  readonly nodePortAddresses: NodePortPolicy;
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
  #open = false;
  /** Undefined: nothing has been said of this node yet. */
  #node: { readonly object: Node | undefined } | undefined;
  #doorProblems: readonly string[] = [];
  #addressProblems: readonly string[] = [];

  constructor(options: HostOptions) {
    this.#options = options;
    this.#doors = new DeviceDoors(options.datapath, options.tcx);
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

  /** This node's object. certain: if it is undefined there is none; otherwise it may be one that could not be read. */
  setNode(object: Node | undefined, certain: boolean): void {
    if (this.#node !== undefined && this.#node.object === object) return;
    const { host } = this.#options.datapath;
    if (object === undefined && !certain && this.#node === undefined && host.nodeAddresses.length > 0) return;
    this.#node = { object };
    this.#setNodeAddresses(this.#links.state);
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
    this.#setNodeAddresses(state);
    host.generation = state.generation;
    if (this.#open) this.#syncDoors(state);
  }

  /** Where the Node decides, those of the last agent stay until it is known. */
  #setNodeAddresses(state: HostState): void {
    const { datapath, nodePortAddresses: policy, log } = this.#options;
    if ('primary' in policy && this.#node === undefined) return;
    const { addresses, problems } = nodePortAddresses(policy, state, this.#node?.object);
    datapath.host.setNodeAddresses(addresses);
    for (const problem of problems) {
      if (!this.#addressProblems.includes(problem)) log.warn({ problem }, 'NodePorts answer elsewhere than asked for');
    }
    this.#addressProblems = problems;
    this.#tellProblems();
  }

  #tellProblems(): void {
    this.#options.onProblems([...this.#doorProblems, ...this.#addressProblems]);
  }

  #syncDoors(state: HostState): void {
    const { log } = this.#options;
    const { attached, detached, failed } = this.#doors.sync(
      state.uplinks,
      state.ifaces.map(({ ifindex }) => ifindex),
    );
    if (attached.length > 0) log.info({ devices: attached }, 'attached to uplinks');
    if (detached.length > 0) log.info({ ifindexes: detached }, 'detached from devices');
    for (const { device, error } of failed) log.error({ device, err: error }, 'cannot attach to the uplink');
    if (state.uplinks.length === 0) log.warn(NO_UPLINK);
    this.#doorProblems = [
      ...failed.map(({ device, error }) => `cannot attach to the uplink ${device}: ${messageOf(error)}`),
      ...(state.uplinks.length === 0 ? [NO_UPLINK] : []),
    ];
    this.#tellProblems();
  }
}
