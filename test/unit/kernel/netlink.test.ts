// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelError } from '../../../src/kernel/errors.ts';
import type { LinkRecord, NetlinkRecord } from '../../../src/kernel/netlink.ts';
import { LinkMonitor } from '../../../src/kernel/netlink.ts';
import { FakeNetlink } from '../../support/fake-netlink.ts';

const eth0: LinkRecord = {
  kind: 'link',
  event: 'new',
  ifindex: 2,
  name: 'eth0',
  mtu: 1500,
  flags: { up: true, lowerUp: true, loopback: false },
  type: '',
  arphrd: 1,
};

function watch(netlink: FakeNetlink): { monitor: LinkMonitor; seen: [string, NetlinkRecord[]][] } {
  const monitor = new LinkMonitor(netlink);
  const seen: [string, NetlinkRecord[]][] = [];
  monitor.on('snapshot', (records) => seen.push(['snapshot', records]));
  monitor.on('changes', (records) => seen.push(['changes', records]));
  return { monitor, seen };
}

/** What the addon says of a table that does not hold still. */
function moving(): never {
  throw new KernelError('cannot list link', { code: 'EAGAIN', errno: 11, op: 'netlink.dump', object: 'link' });
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('LinkMonitor', () => {
  it('is subscribed before it lists anything', () => {
    const netlink = new FakeNetlink();
    const subscribed: number[] = [];
    netlink.duringDump = () => subscribed.push(netlink.subscriptions);
    watch(netlink).monitor.start();
    expect(subscribed).toEqual([1, 1, 1]);
  });

  it('delivers links, addresses and neighbours as one snapshot before start returns, and changes after it', () => {
    const netlink = new FakeNetlink();
    netlink.present = [eth0];
    const { monitor, seen } = watch(netlink);
    monitor.start();
    expect(netlink.dumps).toEqual(['link', 'address', 'neighbour']);
    netlink.announce({ ...eth0, mtu: 9000 });
    expect(seen).toEqual([
      ['snapshot', [eth0]],
      ['changes', [{ ...eth0, mtu: 9000 }]],
    ]);
  });

  it('answers an overrun with a new snapshot', () => {
    const netlink = new FakeNetlink();
    netlink.present = [eth0];
    const { monitor, seen } = watch(netlink);
    monitor.start();
    netlink.present = [];
    netlink.overrun();
    expect(seen.at(-1)).toEqual(['snapshot', []]);
  });

  it('asks again later when the tables changed under every attempt, and tells changes meanwhile', () => {
    const netlink = new FakeNetlink();
    const { monitor, seen } = watch(netlink);
    monitor.start();
    netlink.duringDump = moving;
    netlink.overrun();
    netlink.announce(eth0);
    vi.runOnlyPendingTimers();
    expect(seen.slice(1)).toEqual([['changes', [eth0]]]);
    netlink.duringDump = () => undefined;
    netlink.present = [eth0];
    vi.runAllTimers();
    expect(seen.slice(2)).toEqual([['snapshot', [eth0]]]);
  });

  it('asks for nothing more once it is closed', () => {
    const netlink = new FakeNetlink();
    const { monitor } = watch(netlink);
    monitor.start();
    netlink.duringDump = moving;
    netlink.overrun();
    const asked = netlink.dumps.length;
    monitor.close();
    vi.runAllTimers();
    expect(netlink.dumps).toHaveLength(asked);
  });

  it('lets go of the subscription when closed, twice if need be, and when the first list fails', () => {
    const netlink = new FakeNetlink();
    const { monitor } = watch(netlink);
    monitor.start();
    monitor.close();
    monitor.close();
    expect(netlink.subscriptions).toBe(0);
    netlink.duringDump = () => {
      throw new Error('EAGAIN');
    };
    expect(() => {
      monitor.start();
    }).toThrow('EAGAIN');
    expect(netlink.subscriptions).toBe(0);
  });
});
