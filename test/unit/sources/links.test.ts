// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelError } from '../../../src/kernel/errors.ts';
import { LinkMonitor } from '../../../src/kernel/netlink.ts';
import type { HostPart, HostState } from '../../../src/sources/links.ts';
import { deviceMatcher, LinkSource } from '../../../src/sources/links.ts';
import { FakeNetlink } from '../../support/fake-netlink.ts';
import type { StepName } from './recorded.ts';
import { recorded } from './recorded.ts';

let netlink: FakeNetlink;
let changes: [HostState, readonly HostPart[]][];

function sourceOf(options: { devices?: string; generation?: number } = {}): LinkSource {
  const source = new LinkSource({ ...options, monitor: new LinkMonitor(netlink) });
  source.on('change', (state, changed) => changes.push([state, [...changed].sort()]));
  return source;
}

/** The kernel moves on to the state after this step; its default routes are listed as they were then. */
function happen(step: StepName): void {
  const { records, defaultRoutes } = recorded(step);
  netlink.present = [...netlink.present.filter(({ kind }) => kind !== 'route'), ...defaultRoutes];
  netlink.announce(...records);
}

beforeEach(() => {
  vi.useFakeTimers();
  netlink = new FakeNetlink();
  const { records, defaultRoutes } = recorded('snapshot');
  netlink.present = [...records, ...defaultRoutes];
  changes = [];
});

afterEach(() => {
  vi.useRealTimers();
});

const names = (state: HostState | undefined): string[] | undefined => state?.uplinks.map(({ name }) => name);

describe('LinkSource', () => {
  it('has its first state when start returns, and tells of no change', () => {
    const source = sourceOf({ generation: 7 });
    const state = source.start();
    expect(names(state)).toEqual(['eth0']);
    expect(state.generation).toBe(7);
    vi.runAllTimers();
    expect(changes).toEqual([]);
  });

  it('tells once of all that came in one turn', () => {
    const source = sourceOf();
    source.start();
    happen('eth1 comes');
    happen('router moves');
    expect(changes).toEqual([]);
    vi.runAllTimers();
    expect(changes).toEqual([[source.state, ['addresses', 'defaultRoutes', 'generation', 'ifaces', 'uplinks']]]);
    expect(names(source.state)).toEqual(['eth0', 'eth1']);
    expect(source.state.generation).toBe(2);
  });

  it('raises the generation alone when a router moves', () => {
    const source = sourceOf();
    source.start();
    happen('router moves');
    vi.runAllTimers();
    expect(changes.map(([, changed]) => changed)).toEqual([['generation']]);
  });

  it('does not list routes for what cannot change the default ones', () => {
    const source = sourceOf();
    source.start();
    netlink.dumps = [];
    happen('router moves');
    vi.runAllTimers();
    expect(netlink.dumps).toEqual([]);
  });

  it('finds out that default routes went without a word, even if they were still there when it looked', () => {
    const source = sourceOf();
    source.start();
    netlink.announce(...recorded('eth0 loses its IPv4 addresses').records);
    vi.advanceTimersByTime(1);
    expect(changes.at(-1)?.[1]).toEqual(['addresses', 'generation', 'ifaces', 'uplinks']);
    const { generation } = source.state;
    netlink.present = [];
    vi.runAllTimers();
    expect(source.state).toMatchObject({ uplinks: [], defaultRoutes: [] });
    expect(source.state.generation).toBe(generation + 1);
  });

  it('is right again after notifications were lost', () => {
    const source = sourceOf();
    source.start();
    netlink.present = netlink.present.filter((record) => record.ifindex !== 3);
    netlink.overrun();
    vi.runAllTimers();
    expect(changes).toHaveLength(1);
    expect(source.state.uplinks).toEqual([]);
    expect(source.state.generation).toBe(2);
  });

  it('takes as uplinks the devices that are named, routes or none', () => {
    const source = sourceOf({ devices: 'eth1' });
    expect(names(source.start())).toEqual([]);
    happen('eth1 comes');
    vi.runAllTimers();
    expect(names(source.state)).toEqual(['eth1']);
    happen('eth1 is removed');
    vi.runAllTimers();
    expect(names(source.state)).toEqual([]);
  });

  it('keeps its default routes while the kernel cannot list them, and has the new ones later', () => {
    const source = sourceOf();
    source.start();
    netlink.duringDump = () => {
      throw new KernelError('cannot list route', { code: 'EAGAIN', errno: 11, op: 'netlink.dump', object: 'route' });
    };
    happen('eth1 comes');
    happen('router moves');
    vi.runOnlyPendingTimers();
    expect(names(source.state)).toEqual(['eth0']);
    netlink.duringDump = () => undefined;
    vi.runAllTimers();
    expect(names(source.state)).toEqual(['eth0', 'eth1']);
  });

  it('says nothing once it is closed', () => {
    const source = sourceOf();
    source.start();
    happen('eth0 goes down');
    source.close();
    vi.runAllTimers();
    expect(changes).toEqual([]);
    expect(netlink.subscriptions).toBe(0);
  });

  it('goes from the last generation to 1, because 0 means never resolved', () => {
    const source = sourceOf({ generation: 0xffffffff });
    source.start();
    happen('router moves');
    vi.runAllTimers();
    expect(source.state.generation).toBe(1);
  });
});

describe('deviceMatcher', () => {
  it.each([
    ['eth*,bond0', ['eth0', 'eth', 'bond0'], ['veth0', 'bond01', 'bond']],
    ['en?1, wg*', ['ens1', 'wg0'], ['en1', 'enss1']],
    ['eth0.100', ['eth0.100'], ['eth0x100']],
    ['', [], ['eth0']],
  ])('"%s" names %j and not %j', (devices, matches, others) => {
    const isUplink = deviceMatcher(devices);
    expect(matches.filter((name) => !isUplink(name))).toEqual([]);
    expect(others.filter(isUplink)).toEqual([]);
  });
});
