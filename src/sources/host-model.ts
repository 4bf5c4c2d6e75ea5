// SPDX-License-Identifier: Apache-2.0
// This host as the kernel describes it, kept from netlink records: links, addresses, usable neighbours. It asks nobody
// and keeps no time; links.ts feeds it and draws the state from it.

import type { AddressRecord, LinkRecord, NeighbourRecord, NetlinkRecord, RouteRecord } from '../kernel/netlink.ts';
import type { Address } from '../net/ip.ts';
import { compareAddress, parseAddress } from '../net/ip.ts';

export interface Iface {
  readonly ifindex: number;
  readonly name: string;
  readonly mtu: number;
  /** Absent: not Ethernet. */
  readonly mac?: string;
  /** ARPHRD_*: 1 Ethernet, 772 loopback, 65534 none. */
  readonly arphrd: number;
  /** What SNAT uses for packets that leave here; of another interface where this one has none of its own. */
  readonly address4?: Address;
  readonly address6?: Address;
}

export interface HostState {
  /** Where traffic from outside arrives; sorted by ifindex, as all lists of interfaces. */
  readonly uplinks: readonly Iface[];
  /** Every interface that is up. */
  readonly ifaces: readonly Iface[];
  /** Every address of this host that others can reach it by, sorted: not 127/8, ::1, fe80::/10. */
  readonly addresses: readonly Address[];
  /** Interfaces that a default route of the main table leaves by, either family. */
  readonly defaultRoutes: readonly number[];
  /** Raised by everything that may change where a packet goes next. */
  readonly generation: number;
}

/** What a batch of records may have changed. */
export interface Effects {
  /** The state has to be drawn anew. */
  state: boolean;
  /** A next hop that was resolved before may be wrong now. */
  nextHop: boolean;
  /** Default routes have to be listed again. */
  routes: boolean;
  /** And once more a little later: the kernel tells of the cause before it removes IPv4 routes, and not of those. */
  routesLater: boolean;
}

/** RT_TABLE_MAIN: what a host without policy routing uses. */
export const TABLE_MAIN = 254;
/** RT_SCOPE_UNIVERSE: an address that means the same everywhere. */
const SCOPE_GLOBAL = 0;
const ARPHRD_LOOPBACK = 772;
/** Somebody has answered for the address. Not `noarp`: such an address follows from the other one and never changes. */
const USABLE = new Set(['reachable', 'stale', 'delay', 'probe', 'permanent']);

export class HostModel {
  readonly #links = new Map<number, LinkRecord>();
  /** Oldest first, as the kernel keeps IPv4 addresses. */
  readonly #addresses = new Map<string, AddressRecord>();
  /** MAC addresses of usable neighbours. */
  readonly #neighbours = new Map<string, string>();

  /** Starts again from everything there is. */
  replace(records: readonly NetlinkRecord[]): void {
    this.#links.clear();
    this.#addresses.clear();
    this.#neighbours.clear();
    for (const record of oldestFirst(records)) this.apply(record);
  }

  /** A record may come twice: it says how things are, not how they changed. */
  apply(record: NetlinkRecord): Effects {
    switch (record.kind) {
      case 'link':
        return this.#applyLink(record);
      case 'address':
        return this.#applyAddress(record);
      case 'neighbour':
        return this.#applyNeighbour(record);
      case 'route':
        return { ...NOTHING, nextHop: true, routes: record.prefixLength === 0 && record.table === TABLE_MAIN };
    }
  }

  /** `isUplink` by name; undefined: those that carry a default route. */
  draw(
    defaultRoutes: readonly RouteRecord[],
    isUplink: ((name: string) => boolean) | undefined,
  ): Omit<HostState, 'generation'> {
    const up = [...this.#links.values()].filter(({ flags }) => flags.up).sort((a, b) => a.ifindex - b.ifindex);
    const links = new Map(up.map((link) => [link.ifindex, link]));
    const addresses = [...this.#addresses.values()].filter(({ ifindex }) => links.has(ifindex));
    const sources = chooseSources(addresses);
    // An interface without an address of its own borrows one, as the kernel does: a router's may be on its loopback.
    const borrowed = [...up]
      .reverse()
      .reduce<Source>((source, { ifindex }) => ({ ...source, ...sources.get(ifindex) }), {});
    const ifaces = up.map((link) => toIface(link, { ...borrowed, ...sources.get(link.ifindex) }));
    const byDefault = defaultInterfaces(defaultRoutes).filter((ifindex) => links.has(ifindex));
    const chosen = isUplink ?? ((name: string) => byDefault.some((ifindex) => links.get(ifindex)?.name === name));
    return {
      uplinks: ifaces.filter(({ arphrd, name }) => arphrd !== ARPHRD_LOOPBACK && chosen(name)),
      ifaces,
      addresses: reachableAddresses(addresses),
      defaultRoutes: byDefault,
    };
  }

  #applyLink(record: LinkRecord): Effects {
    const before = this.#links.get(record.ifindex);
    if (record.event === 'delete') {
      this.#links.delete(record.ifindex);
      for (const [key, { ifindex }] of this.#addresses) if (ifindex === record.ifindex) this.#addresses.delete(key);
      return before === undefined ? NOTHING : { state: true, nextHop: true, routes: true, routesLater: true };
    }
    this.#links.set(record.ifindex, record);
    if (before !== undefined && sameLink(before, record)) return NOTHING;
    const flipped = before?.flags.up !== record.flags.up || before.flags.lowerUp !== record.flags.lowerUp;
    return { state: true, nextHop: true, routes: flipped, routesLater: flipped && !record.flags.up };
  }

  #applyAddress(record: AddressRecord): Effects {
    const key = `${record.ifindex} ${record.address}/${record.prefixLength}`;
    const before = this.#addresses.get(key);
    if (record.event === 'delete') {
      this.#addresses.delete(key);
      return before === undefined ? NOTHING : { state: true, nextHop: true, routes: true, routesLater: true };
    }
    // In place: an address keeps its rank when only its flags change.
    this.#addresses.set(key, record);
    // Router advertisements renew addresses all the time.
    return before !== undefined && sameAddress(before, record) ? NOTHING : { ...NOTHING, state: true, nextHop: true };
  }

  #applyNeighbour(record: NeighbourRecord): Effects {
    const key = `${record.ifindex} ${record.address}`;
    const before = this.#neighbours.get(key);
    const now = record.event === 'new' && USABLE.has(record.state) ? (record.mac ?? '') : undefined;
    if (now === undefined) this.#neighbours.delete(key);
    else this.#neighbours.set(key, now);
    // A first answer changes nothing that was resolved: nobody could resolve it before.
    return { ...NOTHING, nextHop: before !== undefined && before !== now };
  }
}

// --- internal ---

const NOTHING: Effects = { state: false, nextHop: false, routes: false, routesLater: false };

type Source = Pick<Iface, 'address4' | 'address6'>;

/** The kernel lists IPv6 addresses newest first; an address that is added must not replace the one in use. */
function oldestFirst(records: readonly NetlinkRecord[]): NetlinkRecord[] {
  const isIPv6Address = (record: NetlinkRecord): boolean => record.kind === 'address' && record.family === 6;
  return [...records.filter((record) => !isIPv6Address(record)), ...records.filter(isIPv6Address).reverse()];
}

function sameLink(a: LinkRecord, b: LinkRecord): boolean {
  return (
    a.name === b.name &&
    a.mtu === b.mtu &&
    a.mac === b.mac &&
    a.master === b.master &&
    a.flags.up === b.flags.up &&
    a.flags.lowerUp === b.flags.lowerUp
  );
}

function sameAddress(a: AddressRecord, b: AddressRecord): boolean {
  return (
    a.flags.secondary === b.flags.secondary &&
    a.flags.temporary === b.flags.temporary &&
    a.flags.deprecated === b.flags.deprecated &&
    a.flags.tentative === b.flags.tentative &&
    a.flags.duplicate === b.flags.duplicate
  );
}

function toIface({ ifindex, name, mtu, mac, arphrd }: LinkRecord, source: Source): Iface {
  return { ifindex, name, mtu, ...(mac === undefined ? {} : { mac }), arphrd, ...source };
}

/** The first address of each interface that is good for new connections. */
function chooseSources(addresses: readonly AddressRecord[]): ReadonlyMap<number, Source> {
  const sources = new Map<number, { address4?: Address; address6?: Address }>();
  for (const { ifindex, family, address, scope, flags } of addresses) {
    if (scope !== SCOPE_GLOBAL || flags.deprecated || flags.temporary || flags.secondary) continue;
    if (flags.tentative || flags.duplicate) continue;
    const canonical = parseAddress(address);
    if (canonical === undefined) continue;
    const chosen = sources.get(ifindex) ?? {};
    sources.set(ifindex, chosen);
    if (family === 4) chosen.address4 ??= canonical;
    else chosen.address6 ??= canonical;
  }
  return sources;
}

function reachableAddresses(addresses: readonly AddressRecord[]): Address[] {
  const reachable = addresses
    .filter(({ flags }) => !flags.tentative && !flags.duplicate)
    .filter(({ family, address }) => !(family === 4 ? LOOPBACK4 : NOT_REACHABLE6).test(address));
  const canonical = reachable.flatMap(({ address }) => parseAddress(address) ?? []);
  return [...new Set(canonical)].sort(compareAddress);
}

const LOOPBACK4 = /^127\./;
/** ::1 and fe80::/10. */
const NOT_REACHABLE6 = /^(?:::1$|fe[89ab])/;

function defaultInterfaces(routes: readonly RouteRecord[]): number[] {
  const interfaces = routes
    .filter(({ type }) => type === 'unicast')
    .flatMap(({ oif, multipath }) => [...(oif === undefined ? [] : [oif]), ...(multipath ?? []).map((hop) => hop.oif)]);
  return [...new Set(interfaces)].sort((a, b) => a - b);
}
