// SPDX-License-Identifier: Apache-2.0
// A kernel that says what the test tells it to, in place of the addon's netlink functions.

import type { Netlink, NetlinkKind, NetlinkRecord } from '../../src/kernel/netlink.ts';

export class FakeNetlink implements Netlink {
  /** What a dump answers; the test edits it together with what it announces. */
  present: NetlinkRecord[] = [];
  dumps: NetlinkKind[] = [];
  /** Runs in the middle of a dump, as the kernel changes while it is being asked. */
  duringDump: () => void = () => undefined;
  subscriptions = 0;
  #onRecords: ((records: NetlinkRecord[], overrun: boolean) => void) | undefined;

  netlinkDump(kind: NetlinkKind): NetlinkRecord[] {
    this.dumps.push(kind);
    const records = this.present.filter((record) => record.kind === kind);
    this.duringDump();
    return records;
  }

  netlinkSubscribe(
    _kinds: readonly NetlinkKind[],
    onRecords: (records: NetlinkRecord[], overrun: boolean) => void,
  ): { close(): void } {
    this.subscriptions++;
    this.#onRecords = onRecords;
    return {
      close: () => {
        this.subscriptions--;
        this.#onRecords = undefined;
      },
    };
  }

  announce(...records: NetlinkRecord[]): void {
    this.#onRecords?.(records, false);
  }

  overrun(): void {
    this.#onRecords?.([], true);
  }
}
