// SPDX-License-Identifier: Apache-2.0
// Follows the kernel's network state without a gap: subscribes first and lists afterwards, so that a change is in the
// list, in a notification, or in both. Knows no meaning of the records; sources/links.ts does.

import { EventEmitter } from 'node:events';
import { KernelError } from './errors.ts';
import type { DumpOptions, NetlinkKind, NetlinkRecord, SubscribeOptions, Subscription } from './netlink-records.ts';

export type * from './netlink-records.ts';

/** The part of the addon that is needed here. */
export interface Netlink {
  netlinkDump(kind: NetlinkKind, options?: DumpOptions): NetlinkRecord[];
  netlinkSubscribe(
    kinds: readonly NetlinkKind[],
    onRecords: (records: NetlinkRecord[], overrun: boolean) => void,
    options?: SubscribeOptions,
  ): Subscription;
}

export interface LinkMonitorEvents {
  /** Everything there is: at the start, and again after notifications were lost. Whatever is not in it is gone. */
  snapshot: [records: NetlinkRecord[]];
  /** In the order in which it happened; may repeat what the last snapshot already said. */
  changes: [records: NetlinkRecord[]];
}

/** Until the tables are asked again that changed under every attempt to list them. */
const RETRY_MS = 100;

/**
 * Watches the network namespace of the process. Routes are not part of snapshots: a node may hold a million, and the
 * kernel removes IPv4 routes with their link or address without a word, so that a model kept from notifications would
 * be wrong; list those of interest with `defaultRoutes` after a change.
 */
export class LinkMonitor extends EventEmitter<LinkMonitorEvents> {
  readonly #netlink: Netlink;
  readonly #options: SubscribeOptions;
  #subscription: Subscription | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(netlink: Netlink, options: SubscribeOptions = {}) {
    super();
    this.#netlink = netlink;
    this.#options = options;
  }

  /** Emits the first snapshot before it returns. Throws KernelError where the kernel refuses. */
  start(): void {
    const receive = (records: NetlinkRecord[], overrun: boolean): void => {
      // The addon has thrown away everything that is older than the loss.
      if (overrun) this.#snapshotWhenStill();
      else this.emit('changes', records);
    };
    this.#subscription ??= this.#netlink.netlinkSubscribe(
      ['link', 'address', 'route', 'neighbour'],
      receive,
      this.#options,
    );
    try {
      this.#snapshot();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Routes of one table to 0.0.0.0/0 and ::/0, now. `undefined`: they change too fast to be listed, ask again later. */
  defaultRoutes(table: number): NetlinkRecord[] | undefined {
    return unlessMoving(() => this.#netlink.netlinkDump('route', { table, defaultOnly: true }));
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  #snapshot(): void {
    this.emit('snapshot', this.#list());
  }

  /** Until it succeeds, changes go on being told; what was lost before them is made good by the snapshot. */
  #snapshotWhenStill(): void {
    clearTimeout(this.#retry);
    const records = unlessMoving(() => this.#list());
    if (records !== undefined) this.emit('snapshot', records);
    else {
      this.#retry = setTimeout(() => {
        this.#snapshotWhenStill();
      }, RETRY_MS);
    }
  }

  #list(): NetlinkRecord[] {
    const kinds = ['link', 'address', 'neighbour'] as const;
    return kinds.flatMap((kind) => this.#netlink.netlinkDump(kind));
  }
}

/** The addon says EAGAIN when every attempt to list was overtaken by a change (NLM_F_DUMP_INTR). */
function unlessMoving<T>(list: () => T): T | undefined {
  try {
    return list();
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EAGAIN') return undefined;
    throw error;
  }
}
