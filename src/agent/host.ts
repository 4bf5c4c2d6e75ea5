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
import type { Prefix } from '../net/prefix.ts';
import type { HostView, HostViewOptions } from './host-view.ts';
import { hostView } from './host-view.ts';
import type { NodePortPolicy } from './node-port-addresses.ts';
import { nodePortAddresses } from './node-port-addresses.ts';

export interface HostOptions extends HostViewOptions {
  readonly datapath: Datapath;
  readonly devices: readonly string[];
  readonly nodePortAddresses: NodePortPolicy;
  /** Where Services get their addresses from. */
  readonly serviceCidrs: readonly Prefix[];
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
    this.#options.datapath.host.setServiceRanges(this.#options.serviceCidrs);
    this.#apply(this.#links.start());
  }

  /** This node's object. certain: if it is undefined there is none; otherwise it may be one that could not be read. */
  setNode(object: Node | undefined, certain: boolean): void {
    if (this.#node !== undefined && this.#node.object === object) return;
    const { host } = this.#options.datapath;
    if (object === undefined && !certain && this.#node === undefined && host.nodePortAddresses.length > 0) return;
    this.#node = { object };
    this.#apply(this.#links.state);
  }

  /** From now on uplinks have doors. */
  openDoors(): void {
    this.#open = true;
    this.#syncDoors(this.#links.state, hostView(this.#options, this.#links.state, this.#node?.object));
  }

  stop(): void {
    this.#links.close();
  }

  #apply(state: HostState): void {
    const { host } = this.#options.datapath;
    const view = hostView(this.#options, state, this.#node?.object);
    host.setInterfaces(state.ifaces, view.roles);
    host.setRules(view.rules);
    this.#setNodeAddresses(state);
    host.generation = state.generation;
    if (this.#open) this.#syncDoors(state, view);
  }

  /** Where the Node decides, those of the last agent stay until it is known. */
  #setNodeAddresses(state: HostState): void {
    const { datapath, nodePortAddresses: policy, log } = this.#options;
    const { addresses, problems } =
      'primary' in policy && this.#node === undefined
        ? { addresses: datapath.host.nodePortAddresses, problems: [] }
        : nodePortAddresses(policy, state, this.#node?.object);
    const answering = new Set(addresses);
    datapath.host.setNodeAddresses([...new Set([...state.addresses, ...addresses])], (address) =>
      answering.has(address),
    );
    for (const problem of problems) {
      if (!this.#addressProblems.includes(problem)) log.warn({ problem }, 'NodePorts answer elsewhere than asked for');
    }
    this.#addressProblems = problems;
    this.#tellProblems();
  }

  #tellProblems(): void {
    this.#options.onProblems([...this.#doorProblems, ...this.#addressProblems]);
  }

  #syncDoors(state: HostState, { doors }: HostView): void {
    const { log } = this.#options;
    const { attached, detached, failed } = this.#doors.sync(
      doors,
      state.ifaces.map(({ ifindex }) => ifindex),
    );
    if (attached.length > 0) log.info({ devices: attached }, 'attached to devices');
    if (detached.length > 0) log.info({ ifindexes: detached }, 'detached from devices');
    for (const { device, error } of failed) log.error({ device, err: error }, 'cannot attach to the device');
    if (state.uplinks.length === 0) log.warn(NO_UPLINK);
    this.#doorProblems = [
      ...failed.map(({ device, error }) => `cannot attach to the device ${device}: ${messageOf(error)}`),
      ...(state.uplinks.length === 0 ? [NO_UPLINK] : []),
    ];
    this.#tellProblems();
  }
}
