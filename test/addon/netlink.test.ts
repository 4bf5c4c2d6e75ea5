// SPDX-License-Identifier: Apache-2.0
// iproute2 is the second opinion: what it lists in a namespace is what the addon must list there.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  AddressRecord,
  LinkRecord,
  NeighbourRecord,
  NetlinkKind,
  NetlinkRecord,
  RouteRecord,
} from '../../src/kernel/netlink.ts';
import type { Conversation } from '../support/namespace.ts';
import { Namespace } from '../support/namespace.ts';

interface Batch {
  readonly records: NetlinkRecord[];
  readonly overrun: boolean;
}

let namespace: Namespace;
let program: Conversation;

async function start(...args: string[]): Promise<void> {
  program = namespace.start('addon/programs/netlink.ts', ...args);
  await program.hear('it to be ready', (answer: object) => 'ready' in answer);
}

async function dump<T>(kind: NetlinkKind, options?: object): Promise<T[]> {
  program.tell(['dump', kind, ...(options === undefined ? [] : [JSON.stringify(options)])].join(' '));
  return (await program.hear<{ dump: T[] }>(`a list of ${kind}`, (answer) => 'dump' in answer)).dump;
}

/** The first record that fits, of any batch from now on. */
async function notification(what: string, fits: Partial<NetlinkRecord>): Promise<NetlinkRecord> {
  const matches = (record: NetlinkRecord): boolean =>
    Object.entries(fits).every(([key, value]) => record[key as keyof NetlinkRecord] === value);
  const batch = await program.hear<Batch>(what, (answer) => 'records' in answer && answer.records.some(matches));
  const record = batch.records.find(matches);
  if (record === undefined) throw new Error(`no ${what}`);
  return record;
}

const byJson = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

beforeEach(async () => {
  namespace = await Namespace.create();
});

afterEach(async () => {
  await program[Symbol.asyncDispose]();
  namespace[Symbol.dispose]();
});

describe('netlinkDump', () => {
  it('lists links as iproute2 does: type, MAC, MTU, flags, bridge', async () => {
    await namespace.ip(
      'link add br0 type bridge',
      'link add v0 mtu 1400 type veth peer name v1',
      'link set v0 master br0 up',
      'link add tun0 type vxlan id 7 remote 192.0.2.1 dstport 4789 dev v1',
      'link set br0 up',
    );
    await start();
    interface Listed {
      ifindex: number;
      ifname: string;
      mtu: number;
      address: string;
      flags: string[];
      link_type: string;
      master?: string;
      linkinfo?: { info_kind?: string };
    }
    const listed = await namespace.list<Listed>('-details', 'link');
    const links = await dump<LinkRecord>('link');
    const nameOf = new Map(links.map(({ ifindex, name }) => [ifindex, name]));
    expect(
      links.map((link) => ({
        ifindex: link.ifindex,
        name: link.name,
        mtu: link.mtu,
        mac: link.mac,
        up: link.flags.up,
        lowerUp: link.flags.lowerUp,
        loopback: link.flags.loopback,
        type: link.type,
        ether: link.arphrd === 1,
        master: link.master === undefined ? undefined : nameOf.get(link.master),
      })),
    ).toEqual(
      listed.map((link) => ({
        ifindex: link.ifindex,
        name: link.ifname,
        mtu: link.mtu,
        mac: link.address,
        up: link.flags.includes('UP'),
        lowerUp: link.flags.includes('LOWER_UP'),
        loopback: link.flags.includes('LOOPBACK'),
        type: link.linkinfo?.info_kind ?? '',
        ether: link.link_type === 'ether',
        master: link.master,
      })),
    );
    expect(links.map(({ type }) => type)).toEqual(expect.arrayContaining(['', 'bridge', 'veth', 'vxlan']));
  });

  it('lists addresses as iproute2 does: local end, prefix, scope, flags', async () => {
    await namespace.ip(
      'link add v0 type veth peer name v1',
      'link set v0 up',
      'link set v1 up',
      'addr add 192.0.2.1/24 dev v0',
      'addr add 192.0.2.2/24 dev v0',
      'addr add 198.51.100.1 peer 198.51.100.2/32 dev v0',
      'addr add 169.254.0.1/16 scope link dev v1',
      'addr add 2001:db8::1/64 dev v0 nodad',
      'addr add 2001:db8::2/64 dev v0 nodad preferred_lft 0',
      'addr add 2001:db8::3 peer 2001:db8::4/128 dev v1 nodad',
    );
    await namespace.run('sh', ['-c', 'echo 1 >/proc/sys/net/ipv6/conf/v1/accept_dad']);
    await namespace.ip('link set v1 down', 'addr add 2001:db8::5/64 dev v1');
    await start();
    interface Listed {
      ifindex: number;
      addr_info: (Record<'secondary' | 'deprecated' | 'tentative', boolean | undefined> & {
        family: string;
        local: string;
        prefixlen: number;
        scope: string;
      })[];
    }
    const scopes: Record<number, string> = { 0: 'global', 253: 'link', 254: 'host' };
    const addresses = await dump<AddressRecord>('address');
    const ours = addresses.map(({ ifindex, family, address, prefixLength, scope, flags }) => {
      const { secondary, deprecated, tentative } = flags;
      return { ifindex, family, address, prefixLength, scope: scopes[scope], secondary, deprecated, tentative };
    });
    const listed = (await namespace.list<Listed>('addr')).flatMap(({ ifindex, addr_info }) =>
      addr_info.map(({ family, local, prefixlen, scope, secondary, deprecated, tentative }) => ({
        ifindex,
        family: family === 'inet' ? 4 : 6,
        address: local,
        prefixLength: prefixlen,
        scope,
        secondary: secondary ?? false,
        deprecated: deprecated ?? false,
        tentative: tentative ?? false,
      })),
    );
    expect(ours.sort(byJson)).toEqual(listed.sort(byJson));
    for (const flag of ['secondary', 'deprecated', 'tentative'] as const) {
      expect(ours.filter((address) => address[flag])).not.toEqual([]);
    }
  });

  it('lists routes as iproute2 does: gateways, several next hops, tables, types', async () => {
    await namespace.ip(
      'link add v0 type veth peer name v1',
      'link set v0 up',
      'link set v1 up',
      'addr add 192.0.2.1/24 dev v0',
      'addr add 2001:db8::1/64 dev v0 nodad',
      'route add default via 192.0.2.2 metric 7',
      'route add 198.51.100.0/24 nexthop via 192.0.2.2 dev v0 nexthop via 192.0.2.3 dev v0 weight 3',
      'route add 203.0.113.0/24 via inet6 2001:db8::2 dev v0',
      'route add blackhole 10.0.0.0/8',
      'route add unreachable 10.1.0.0/16 table 1000',
      'route add ::/0 via 2001:db8::2',
      'route add 2001:db8:1::/64 nexthop via 2001:db8::2 dev v0 nexthop via 2001:db8::3 dev v0',
      'route add 2001:db8:2::/64 dev v1 table 100',
    );
    await start();
    interface Listed {
      type?: string;
      dst: string;
      gateway?: string;
      via?: { host: string };
      dev?: string;
      table?: string;
      metric?: number;
      nexthops?: { gateway?: string; dev: string }[];
    }
    const links = await dump<LinkRecord>('link');
    const nameOf = (ifindex: number | undefined): string | undefined => links.find((l) => l.ifindex === ifindex)?.name;
    const tables: Record<number, string | undefined> = { 254: 'main', 255: 'local' };
    const routes = await dump<RouteRecord>('route');
    const ours = routes.map((route) => {
      const whole = route.family === 4 ? 32 : 128;
      const network = `${route.destination}${route.prefixLength === whole ? '' : `/${route.prefixLength}`}`;
      return {
        dst: route.prefixLength === 0 ? 'default' : network,
        gateway: route.gateway,
        // iproute2 leaves out that an unreachable route ends at lo.
        dev: ['blackhole', 'unreachable'].includes(route.type) ? undefined : nameOf(route.oif),
        table: tables[route.table] ?? String(route.table),
        type: route.type,
        metric: route.priority,
        nexthops: route.multipath?.map(({ oif, gateway }) => ({ gateway, dev: nameOf(oif) })),
      };
    });
    const families = await Promise.all(
      ['-4', '-6'].map((family) => namespace.list<Listed>(family, '-details', 'route', 'show', 'table', 'all')),
    );
    const listed = families.flat().map(({ type, dst, gateway, via, dev, table, metric, nexthops }) => ({
      dst,
      gateway: gateway ?? via?.host,
      dev: ['blackhole', 'unreachable'].includes(type ?? '') ? undefined : dev,
      table: table ?? 'main',
      type: type ?? 'unicast',
      metric: metric ?? 0,
      nexthops: nexthops?.map((hop) => ({ gateway: hop.gateway, dev: hop.dev })),
    }));
    expect(ours.sort(byJson)).toEqual(listed.sort(byJson));
    expect(ours.filter(({ nexthops }) => nexthops?.length === 2)).toHaveLength(2);
  });

  it('narrows routes to one table, and to default routes', async () => {
    await namespace.ip(
      'link add v0 type veth peer name v1',
      'link set v0 up',
      'addr add 192.0.2.1/24 dev v0',
      'route add default via 192.0.2.2',
      'route add default via 192.0.2.3 table 100',
    );
    await start();
    const all = await dump<RouteRecord>('route');
    const summary = (routes: RouteRecord[]): unknown[] => routes.map((r) => [r.table, r.prefixLength, r.gateway]);
    expect(await dump('route', { table: 254 })).toEqual(all.filter(({ table }) => table === 254));
    expect(summary(await dump('route', { table: 254, defaultOnly: true }))).toEqual([[254, 0, '192.0.2.2']]);
    expect(summary(await dump('route', { defaultOnly: true }))).toHaveLength(2);
  });

  it('lists everything once while other things come and go', async () => {
    const kept = Array.from({ length: 500 }, (_, i) => `192.0.${i >> 8}.${i & 255}`);
    await namespace.ip('link add v0 type veth peer name v1', ...kept.map((address) => `addr add ${address}/32 dev lo`));
    await start('link');
    const churn = Array.from({ length: 4000 }, (_, i) => `addr ${i % 2 === 0 ? 'add' : 'del'} 203.0.113.1/32 dev v0`);
    const churning = new AbortController();
    const churned = namespace.ip(...churn).then(() => {
      churning.abort();
    });
    do {
      const addresses = (await dump<AddressRecord>('address'))
        .map(({ address }) => address)
        .filter((a) => kept.includes(a));
      expect(addresses).toHaveLength(kept.length);
      expect(new Set(addresses).size).toBe(kept.length);
    } while (!churning.signal.aborted);
    await churned;
  });

  it('lists nothing of a table that does not exist yet', async () => {
    await start();
    expect(await dump('route', { table: 254, defaultOnly: true })).toEqual([]);
    expect(await dump('route', { table: 77 })).toEqual([]);
  });

  it('lists neighbours as iproute2 does, without bridge entries and proxies', async () => {
    await namespace.ip(
      'link add br0 type bridge',
      'link add v0 type veth peer name v1',
      'link set v1 master br0',
      'link set v0 up',
      'link set v1 up',
      'link set br0 up',
      'addr add 192.0.2.1/24 dev v0',
      'neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev v0',
      'neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 nud stale dev v0',
      'neigh add 2001:db8::2 lladdr 02:00:00:00:00:04 nud reachable dev v0',
      'neigh add 192.0.2.4 nud failed dev v0',
      'neigh add proxy 192.0.2.9 dev v0',
    );
    await start();
    interface Listed {
      dst: string;
      lladdr?: string;
      state: string[];
    }
    const listed = await namespace.list<Listed>('neigh', 'show', 'nud', 'all');
    const ours = (await dump<NeighbourRecord>('neighbour')).map(({ address, mac, state }) => ({ address, mac, state }));
    const theirs = listed.map(({ dst, lladdr, state }) => ({
      address: dst,
      mac: lladdr,
      state: state[0]?.toLowerCase(),
    }));
    expect(ours.sort(byJson)).toEqual(theirs.sort(byJson));
    expect(ours.map(({ state }) => state)).toEqual(expect.arrayContaining(['permanent', 'stale', 'failed']));
  });
});

describe('netlinkSubscribe', () => {
  it('tells of links, addresses, routes and neighbours that come and go', async () => {
    await start();
    await namespace.ip('link add v0 type veth peer name v1');
    const { ifindex } = await notification('the link', { kind: 'link', event: 'new', name: 'v0' });
    await namespace.ip('link set v0 up', 'addr add 192.0.2.1/24 dev v0');
    const at = { ifindex };
    expect(
      await notification('the address', { kind: 'address', event: 'new', address: '192.0.2.1', ...at }),
    ).toBeDefined();
    await namespace.ip(
      'route add 198.51.100.0/24 via 192.0.2.2',
      'neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev v0',
    );
    await notification('the neighbour', { kind: 'neighbour', event: 'new', address: '192.0.2.2', ...at });
    await namespace.ip('neigh del 192.0.2.2 dev v0', 'route del 198.51.100.0/24');
    const route = await notification('its end', { kind: 'route', event: 'delete', destination: '198.51.100.0' });
    expect(route).toMatchObject({ prefixLength: 24, gateway: '192.0.2.2', table: 254, oif: ifindex });
    await namespace.ip('addr del 192.0.2.1/24 dev v0', 'link del v0');
    await notification('the link to go', { kind: 'link', event: 'delete', name: 'v0' });
  });

  it('does not take a port that leaves its bridge for a link that ends', async () => {
    await namespace.ip('link add br0 type bridge', 'link add v0 type veth peer name v1', 'link set v0 master br0');
    await start('link');
    await namespace.ip('link set v0 nomaster', 'link set v0 mtu 1300');
    const seen: NetlinkRecord[] = [];
    await program.hear<Batch>('the last change', ({ records }) => {
      seen.push(...records);
      return records.some((record) => record.kind === 'link' && record.mtu === 1300 && record.name === 'v0');
    });
    expect(seen.filter(({ event }) => event === 'delete')).toEqual([]);
  });

  it("does not take a tunnel's forwarding entry for a neighbour", async () => {
    await namespace.ip(
      'link add v0 type veth peer name v1',
      'link add tun0 type vxlan id 7 dstport 4789 dev v0 remote 2001:db8::8',
    );
    await start('neighbour');
    await namespace.run('bridge', ['fdb', 'append', '02:00:00:00:00:09', 'dev', 'tun0', 'dst', '2001:db8::9']);
    await namespace.ip('neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev v0');
    const { records } = await program.hear<Batch>('the neighbour', (answer) => 'records' in answer);
    expect(records).toMatchObject([{ kind: 'neighbour', address: '192.0.2.2' }]);
  });

  it('tells only of the kinds that were asked for', async () => {
    await start('address');
    await namespace.ip('link add v0 type veth peer name v1', 'addr add 192.0.2.1/32 dev lo');
    const { records } = await program.hear<Batch>('the address', (answer) => 'records' in answer);
    expect(records.map(({ kind }) => kind)).toEqual(['address']);
  });

  it('reports an overrun once, throws away what is older, and goes on', async () => {
    // Room for more than is read at a time: what is left of it must not follow the report.
    await start('address', '1000000');
    program.tell('flood 10000');
    await program.hear('the flood', (answer: object) => 'flooded' in answer);
    expect(await program.hear<Batch>('the overrun')).toEqual({ records: [], overrun: true });
    await namespace.ip('addr add 203.0.113.1/32 dev lo');
    const next = await program.hear<Batch>('the next address');
    expect(next).toMatchObject({ overrun: false, records: [{ event: 'new', address: '203.0.113.1' }] });
    expect(await dump<AddressRecord>('address')).toHaveLength(10_003);
  });

  it('loses nothing of ten thousand changes that come while the event loop stands still', async () => {
    await start('address');
    program.tell('flood 10000');
    const seen = new Set<string>();
    await program.hear<Batch>('the last address', (answer) => {
      if (!('records' in answer)) return false;
      expect(answer.overrun).toBe(false);
      for (const record of answer.records) if (record.kind === 'address') seen.add(record.address);
      return seen.size === 10_000;
    });
  });

  it('ends with close, and so does the process', async () => {
    await start();
    program.tell('close');
    await program.hear('the end', (answer: object) => 'closed' in answer);
    await namespace.ip('addr add 192.0.2.1/32 dev lo');
    program.tell('dump address');
    // Nothing comes in between.
    expect(await program.hear<object>('the next answer')).toHaveProperty('dump');
  });
});
