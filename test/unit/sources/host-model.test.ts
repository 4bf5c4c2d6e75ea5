// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type {
  AddressRecord,
  LinkRecord,
  NetlinkRecord,
  NeighbourRecord,
  RouteRecord,
} from '../../../src/kernel/netlink.ts';
import type { Effects } from '../../../src/sources/host-model.ts';
import { HostModel } from '../../../src/sources/host-model.ts';
import type { StepName } from './recorded.ts';
import { recorded } from './recorded.ts';

const NO_FLAGS = { secondary: false, temporary: false, deprecated: false, tentative: false, duplicate: false };

function link(ifindex: number, name: string, more: Partial<LinkRecord> = {}): LinkRecord {
  const flags = { up: true, lowerUp: true, loopback: false };
  return { kind: 'link', event: 'new', ifindex, name, mtu: 1500, flags, type: '', arphrd: 1, ...more };
}

function address(ifindex: number, text: string, more: Partial<AddressRecord> = {}): AddressRecord {
  const family = text.includes(':') ? 6 : 4;
  const prefixLength = family === 4 ? 24 : 64;
  return {
    kind: 'address',
    event: 'new',
    ifindex,
    family,
    address: text,
    prefixLength,
    scope: 0,
    flags: NO_FLAGS,
    ...more,
  };
}

function neighbour(state: string, more: Partial<NeighbourRecord> = {}): NeighbourRecord {
  const mac = '02:00:00:00:00:01';
  return { kind: 'neighbour', event: 'new', ifindex: 2, family: 4, address: '192.0.2.1', mac, state, ...more };
}

function defaultRoute(oif: number, more: Partial<RouteRecord> = {}): RouteRecord {
  const to = { destination: '0.0.0.0', prefixLength: 0, oif, table: 254, type: 'unicast', priority: 0 };
  return { kind: 'route', event: 'new', ifindex: oif, family: 4, ...to, ...more };
}

function modelOf(...records: NetlinkRecord[]): HostModel {
  const model = new HostModel();
  model.replace(records);
  return model;
}

const names = (ifaces: readonly { readonly name: string }[]): string[] => ifaces.map(({ name }) => name);

describe('HostModel.draw', () => {
  it('reads a recorded host: two default routes by one interface, addresses sorted, none of loopback or link-local', () => {
    const { records, defaultRoutes } = recorded('snapshot');
    const state = modelOf(...records).draw(defaultRoutes, undefined);
    expect(names(state.uplinks)).toEqual(['eth0']);
    expect(state.uplinks[0]).toMatchObject({ mtu: 1500, arphrd: 1, address4: '192.0.2.2', address6: '2001:db8:b::2' });
    expect(state.uplinks[0]?.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect(names(state.ifaces)).toEqual(['lo', 'p0', 'eth0', 'p1']);
    expect(state.addresses).toEqual(['192.0.2.2', '192.0.2.3', '2001:db8:b::2', '2001:db8:b::3']);
    expect(state.defaultRoutes).toEqual([3]);
  });

  it('follows recorded notifications: interfaces and addresses come and go', () => {
    const model = modelOf(...recorded('snapshot').records);
    const after = (step: StepName): unknown => {
      const { records, defaultRoutes } = recorded(step);
      for (const record of records) model.apply(record);
      const { uplinks, addresses } = model.draw(defaultRoutes, undefined);
      return [uplinks.map(({ name, address4, address6 }) => [name, address4, address6]), addresses];
    };
    const [v6a, v6b] = ['2001:db8:b::2', '2001:db8:b::3'];
    const both = ['192.0.2.2', '192.0.2.3', '198.51.100.2', v6a, v6b];
    const eth1 = ['eth1', '198.51.100.2', v6a];
    expect(after('eth1 comes')).toEqual([[['eth0', '192.0.2.2', v6a], eth1], both]);
    expect(after('eth0 loses its IPv4 addresses')).toEqual([
      [['eth0', '198.51.100.2', v6a], eth1],
      ['198.51.100.2', v6a, v6b],
    ]);
    expect(after('eth0 goes down')).toEqual([[['eth1', '198.51.100.2', undefined]], ['198.51.100.2']]);
    expect(after('eth1 is removed')).toEqual([[], []]);
  });

  it('takes as SNAT source the first address that is global, primary, permanent, valid and checked', () => {
    const passedOver = [
      address(2, '169.254.0.1', { scope: 253 }),
      address(2, '192.0.2.9', { flags: { ...NO_FLAGS, secondary: true } }),
      address(2, '192.0.2.8', { flags: { ...NO_FLAGS, deprecated: true } }),
      address(2, '2001:db8::9', { flags: { ...NO_FLAGS, temporary: true } }),
      address(2, '2001:db8::8', { flags: { ...NO_FLAGS, tentative: true } }),
      address(2, '2001:db8::7', { flags: { ...NO_FLAGS, duplicate: true } }),
    ];
    for (const record of passedOver) {
      expect(modelOf(link(2, 'eth0'), record).draw([], undefined).ifaces[0]).not.toHaveProperty(
        `address${record.family}`,
      );
    }
    const good = [address(2, '192.0.2.1'), address(2, '192.0.2.2', { prefixLength: 32 }), address(2, '2001:db8::1')];
    const [iface] = modelOf(link(2, 'eth0'), ...passedOver, ...good).draw([], undefined).ifaces;
    expect(iface).toMatchObject({ address4: '192.0.2.1', address6: '2001:db8::1' });
  });

  it('keeps the SNAT source when an address is added, and after a restart', () => {
    const before = [link(2, 'eth0'), address(2, '2001:db8::1')];
    const model = modelOf(...before);
    model.apply(address(2, '2001:db8::2'));
    expect(model.draw([], undefined).ifaces[0]?.address6).toBe('2001:db8::1');
    // The kernel's list has the newest IPv6 address first.
    const listed = modelOf(link(2, 'eth0'), address(2, '2001:db8::2'), address(2, '2001:db8::1'));
    expect(listed.draw([], undefined).ifaces[0]?.address6).toBe('2001:db8::1');
  });

  it('moves to the next address when the source is deprecated, and back when it is valid again', () => {
    const model = modelOf(link(2, 'eth0'), address(2, '2001:db8::1'));
    model.apply(address(2, '2001:db8::2'));
    model.apply(address(2, '2001:db8::1', { flags: { ...NO_FLAGS, deprecated: true } }));
    expect(model.draw([], undefined).ifaces[0]?.address6).toBe('2001:db8::2');
    expect(model.draw([], undefined).addresses).toEqual(['2001:db8::1', '2001:db8::2']);
    model.apply(address(2, '2001:db8::1'));
    expect(model.draw([], undefined).ifaces[0]?.address6).toBe('2001:db8::1');
  });

  it('lends an interface without an address one of another, loopback first', () => {
    const loopback = link(1, 'lo', { arphrd: 772, flags: { up: true, lowerUp: true, loopback: true } });
    const records = [loopback, link(2, 'eth0'), link(3, 'eth1'), address(3, '192.0.2.3'), address(1, '192.0.2.1')];
    const addressOf = (model: HostModel): unknown[] => model.draw([], undefined).ifaces.map(({ address4 }) => address4);
    expect(addressOf(modelOf(...records))).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.3']);
  });

  it("leaves out addresses that are not in use: of links that are down, unchecked, or somebody else's", () => {
    const down = link(3, 'eth1', { flags: { up: false, lowerUp: false, loopback: false } });
    const flagged = [
      address(2, '2001:db8::2', { flags: { ...NO_FLAGS, tentative: true } }),
      address(2, '2001:db8::3', { flags: { ...NO_FLAGS, duplicate: true } }),
    ];
    const local = [address(2, '127.0.0.5'), address(2, '::1'), address(2, 'fe80::1'), address(2, 'febf::1')];
    const records = [link(2, 'eth0'), down, ...flagged, ...local, address(3, '192.0.2.3'), address(2, 'fec0::1')];
    expect(modelOf(...records).draw([], undefined).addresses).toEqual(['fec0::1']);
  });

  it('finds uplinks by every next hop of a default route, and by name instead when names are given', () => {
    const hops = [{ oif: 4 }, { oif: 3, gateway: '192.0.2.1' }];
    const links = [link(2, 'eth0'), link(3, 'eth1'), link(4, 'eth2'), link(5, 'wg0')];
    const unreachable = defaultRoute(5, { type: 'unreachable' });
    const { oif, ...multipath } = defaultRoute(0, { multipath: hops });
    expect(oif).toBe(0);
    const model = modelOf(...links);
    expect(model.draw([defaultRoute(2), multipath, unreachable], undefined)).toMatchObject({
      defaultRoutes: [2, 3, 4],
    });
    expect(names(model.draw([defaultRoute(2), multipath], undefined).uplinks)).toEqual(['eth0', 'eth1', 'eth2']);
    expect(names(model.draw([defaultRoute(2)], (name) => name.startsWith('wg')).uplinks)).toEqual(['wg0']);
  });

  it('never takes loopback or a link that is down for an uplink', () => {
    const loopback = link(1, 'lo', { arphrd: 772, flags: { up: true, lowerUp: true, loopback: true } });
    const down = link(2, 'eth0', { flags: { up: false, lowerUp: false, loopback: false } });
    const model = modelOf(loopback, down);
    expect(model.draw([defaultRoute(1), defaultRoute(2)], undefined)).toMatchObject({
      uplinks: [],
      defaultRoutes: [1],
    });
    expect(model.draw([], () => true).uplinks).toEqual([]);
  });
});

describe('HostModel.apply', () => {
  const none: Effects = { state: false, nextHop: false, routes: false, routesLater: false };

  it('finds no effect in what repeats what is known', () => {
    const known = [link(2, 'eth0'), address(2, '192.0.2.1'), neighbour('reachable')];
    const model = modelOf(...known);
    for (const record of known) expect(model.apply(record)).toEqual(none);
    expect(model.apply({ ...link(9, 'gone'), event: 'delete' })).toEqual(none);
    expect(model.apply({ ...address(9, '192.0.2.9'), event: 'delete' })).toEqual(none);
  });

  it.each([
    ['another MTU', { mtu: 9000 }],
    ['another MAC', { mac: '02:00:00:00:00:09' }],
    ['another name', { name: 'eth7' }],
    ['a bridge above', { master: 7 }],
  ])('sees that %s of a link changes next hops and not routes', (_, more) => {
    expect(modelOf(link(2, 'eth0')).apply(link(2, 'eth0', more))).toEqual({ ...none, state: true, nextHop: true });
  });

  it('asks for routes twice when the kernel may be about to remove some in silence', () => {
    const model = modelOf(link(2, 'eth0'), address(2, '192.0.2.1'));
    const twice = { state: true, nextHop: true, routes: true, routesLater: true };
    expect(model.apply({ ...address(2, '192.0.2.1'), event: 'delete' })).toEqual(twice);
    expect(model.apply(link(2, 'eth0', { flags: { up: false, lowerUp: false, loopback: false } }))).toEqual(twice);
    expect(model.apply(link(2, 'eth0'))).toEqual({ ...twice, routesLater: false });
    expect(model.apply({ ...link(2, 'eth0'), event: 'delete' })).toEqual(twice);
  });

  it('forgets the addresses of a link that is deleted', () => {
    const model = modelOf(link(2, 'eth0'), address(2, '192.0.2.1'));
    model.apply({ ...link(2, 'eth0'), event: 'delete' });
    model.apply(link(2, 'eth0'));
    expect(model.draw([], undefined).addresses).toEqual([]);
  });

  it('asks for default routes after one of the main table changed, and only then', () => {
    const model = modelOf();
    const listed = (route: RouteRecord): boolean => model.apply(route).routes;
    expect(listed(defaultRoute(2))).toBe(true);
    expect(listed({ ...defaultRoute(2), event: 'delete' })).toBe(true);
    expect(listed(defaultRoute(2, { table: 100 }))).toBe(false);
    expect(listed(defaultRoute(2, { destination: '10.0.0.0', prefixLength: 8 }))).toBe(false);
    expect(model.apply(defaultRoute(2, { destination: '10.0.0.0', prefixLength: 8 }))).toEqual({
      ...none,
      nextHop: true,
    });
  });

  it('counts a neighbour that moved or was lost, not one that answers or is asked again', () => {
    const moves = (...records: NeighbourRecord[]): boolean => {
      const model = modelOf(neighbour('reachable'));
      return records.map((record) => model.apply(record).nextHop).some(Boolean);
    };
    expect(moves(neighbour('stale'), neighbour('delay'), neighbour('probe'), neighbour('reachable'))).toBe(false);
    expect(
      moves(neighbour('incomplete', { address: '192.0.2.7' }), neighbour('reachable', { address: '192.0.2.7' })),
    ).toBe(false);
    expect(moves(neighbour('reachable', { mac: '02:00:00:00:00:09' }))).toBe(true);
    expect(moves(neighbour('failed'))).toBe(true);
    expect(moves({ ...neighbour('stale'), event: 'delete' })).toBe(true);
    expect(moves(neighbour('reachable', { ifindex: 3, mac: '02:00:00:00:00:09' }))).toBe(false);
  });

  it('does not count multicast addresses that age out', () => {
    const multicast = neighbour('noarp', { family: 6, address: 'ff02::16', mac: '33:33:00:00:00:16' });
    expect(modelOf(multicast).apply({ ...multicast, event: 'delete' }).nextHop).toBe(false);
  });
});
