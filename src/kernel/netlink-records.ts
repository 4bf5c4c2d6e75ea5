// SPDX-License-Identifier: Apache-2.0
// What the addon's netlinkDump and netlinkSubscribe deliver: the kernel's statements about links, addresses, routes and
// neighbours, as it made them. Only types; addresses are text, not yet in canonical form.

export type NetlinkKind = 'link' | 'address' | 'route' | 'neighbour';

interface Statement {
  /** `new` also says that something has changed: it carries the whole state. */
  readonly event: 'new' | 'delete';
  readonly ifindex: number;
}

export interface LinkRecord extends Statement {
  readonly kind: 'link';
  readonly name: string;
  readonly mtu: number;
  /** Lower case with colons. Absent: the link has no Ethernet address. */
  readonly mac?: string;
  readonly flags: {
    /** Administratively. */
    readonly up: boolean;
    /** Has a carrier. */
    readonly lowerUp: boolean;
    readonly loopback: boolean;
  };
  /** The kernel's name for its driver class (`veth`, `bridge`); '' for hardware. */
  readonly type: string;
  /** ARPHRD_*: 1 Ethernet, 772 loopback, 65534 none. */
  readonly arphrd: number;
  /** The bridge or bond that it is a port of. */
  readonly master?: number;
}

export interface AddressRecord extends Statement {
  readonly kind: 'address';
  readonly family: 4 | 6;
  /** This end's, on a point-to-point link too. */
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: number;
  readonly flags: {
    /** IPv4: another address of the same prefix comes first. */
    readonly secondary: boolean;
    /** IPv6: a privacy address that will be replaced. */
    readonly temporary: boolean;
    /** Not for new connections. */
    readonly deprecated: boolean;
    /** Not yet known to be unique, and not in use before that. */
    readonly tentative: boolean;
    /** Somebody else has it. */
    readonly duplicate: boolean;
  };
}

export interface NextHop {
  readonly oif: number;
  readonly gateway?: string;
}

export interface RouteRecord extends Statement {
  readonly kind: 'route';
  readonly family: 4 | 6;
  readonly destination: string;
  readonly prefixLength: number;
  /** May be IPv6 in an IPv4 route. */
  readonly gateway?: string;
  readonly oif?: number;
  readonly table: number;
  /** `unicast`, `local`, `blackhole` and so on. */
  readonly type: string;
  /** The metric: the lowest wins. */
  readonly priority: number;
  readonly multipath?: readonly NextHop[];
}

export interface NeighbourRecord extends Statement {
  readonly kind: 'neighbour';
  readonly family: 4 | 6;
  readonly address: string;
  /** Absent: not known, or not Ethernet. */
  readonly mac?: string;
  /** `reachable`, `stale`, `delay`, `probe`, `permanent`, `noarp`, `incomplete`, `failed`, `none`. */
  readonly state: string;
}

export type NetlinkRecord = LinkRecord | AddressRecord | RouteRecord | NeighbourRecord;

export interface DumpOptions {
  /** Routes of this table only. */
  readonly table?: number;
  /** Routes to 0.0.0.0/0 and ::/0 only, chosen before objects are made of them. */
  readonly defaultOnly?: boolean;
}

export interface SubscribeOptions {
  /** Bytes that the kernel keeps for us before it reports an overrun; 8 MiB if not given. */
  readonly receiveBuffer?: number;
}

export interface Subscription {
  close(): void;
}
