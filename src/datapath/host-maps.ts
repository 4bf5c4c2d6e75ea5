// SPDX-License-Identifier: Apache-2.0
// What the programs must know of this host: its addresses, its interfaces, namespaces left alone, and the generation of
// its routes. Written whole, by difference.

import type { Control, Iface } from '../abi/codecs.gen.ts';
import { controlCodec } from '../abi/codecs.gen.ts';
import { ControlFlags, IfaceFlags, NodeAddrFlags } from '../abi/enums.gen.ts';
import type { TypedMap } from '../kernel/map.ts';
import type { Address, Family } from '../net/ip.ts';
import { UNSPECIFIED } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { prefixMask } from '../net/prefix.ts';
import type { MapSet } from './map-set.ts';

export interface HostInterface {
  readonly ifindex: number;
  readonly mtu: number;
  /** Absent on devices without a link layer address. */
  readonly mac?: string;
  /** SNAT sources. */
  readonly address4?: Address;
  readonly address6?: Address;
}

/** What the programs ask the row `control` for, beside the generation. */
export interface HostRules {
  /** This node's first addresses. */
  readonly node: Readonly<Partial<Record<Family, Address>>>;
  /** Where local pods have their addresses. */
  readonly localPods: readonly Prefix[];
  /** A local pod is known by the interface it comes in by. */
  readonly localByInterface: boolean;
  /** Families in which a socket outside the host's namespace is a local pod's. */
  readonly podSocketsLocal: ReadonlySet<Family>;
  readonly podDevices: boolean;
  readonly masqueradeAll: boolean;
}

/** What an interface is to bpfsvc; all of it by ifindex. */
export interface InterfaceRoles {
  readonly uplinks: ReadonlySet<number>;
  readonly pods: ReadonlySet<number>;
  readonly localPods: ReadonlySet<number>;
}

export class HostMaps {
  readonly #maps: MapSet;
  readonly #control: Uint32Array;
  readonly #controlView: DataView;
  #serviceRanges = false;

  constructor(maps: MapSet) {
    this.#maps = maps;
    const memory = maps.control.mmap(0, controlCodec.size);
    this.#control = new Uint32Array(memory);
    this.#controlView = new DataView(memory);
  }

  close(): void {
    this.#maps.control.munmap(this.#control.buffer as ArrayBuffer);
  }

  setRules({ node, localPods, localByInterface, podSocketsLocal, podDevices, masqueradeAll }: HostRules): void {
    const [local4, local6] = [4, 6].map((of) => localPods.find(({ family }) => family === of));
    const row: Control = {
      generation: this.generation,
      flags:
        (podDevices ? ControlFlags.PodDevices : 0) |
        (masqueradeAll ? ControlFlags.MasqueradeAll : 0) |
        (localByInterface ? ControlFlags.LocalByIface : 0) |
        (podSocketsLocal.has(4) ? ControlFlags.PodsLocal4 : 0) |
        (podSocketsLocal.has(6) ? ControlFlags.PodsLocal6 : 0) |
        (this.#serviceRanges ? ControlFlags.ServiceRanges : 0),
      node6: node[6] ?? UNSPECIFIED[6],
      node4: node[4] ?? UNSPECIFIED[4],
      local4: local4?.address ?? UNSPECIFIED[4],
      local4Mask: local4 === undefined ? UNSPECIFIED[4] : prefixMask(local4),
      local4Bits: local4 === undefined ? 0 : local4.bits + MAPPED_BITS,
      local6: local6?.address ?? UNSPECIFIED[6],
      local6Mask: local6 === undefined ? UNSPECIFIED[6] : prefixMask(local6),
      local6Bits: local6?.bits ?? 0,
    };
    controlCodec.encode(row, this.#controlView, 0);
  }

  /** Where Services get their addresses from. */
  setServiceRanges(ranges: readonly Prefix[]): void {
    replaceRows(
      this.#maps.serviceRanges,
      ranges.map(({ address, bits, family }) => [
        { prefixlen: family === 4 ? bits + MAPPED_BITS : bits, addr: address },
        { reserved: 0 },
      ]),
      ({ prefixlen, addr }) => `${addr}/${String(prefixlen)}`,
    );
    this.#serviceRanges = ranges.length > 0;
    const flags = Atomics.load(this.#control, FLAGS_WORD) & ~ControlFlags.ServiceRanges;
    Atomics.store(this.#control, FLAGS_WORD, flags | (this.#serviceRanges ? ControlFlags.ServiceRanges : 0));
  }

  /** Of routes; flows that were resolved in another ask the FIB anew. Never 0: that is a flow that has not asked yet. */
  get generation(): number {
    return Atomics.load(this.#control, 0);
  }

  set generation(value: number) {
    Atomics.store(this.#control, 0, value);
  }

  /** Those that NodePorts answer on. */
  get nodePortAddresses(): Address[] {
    const rows = [...this.#maps.nodeAddrs.entries()];
    return rows.flatMap(([{ addr }, { flags }]) => (flags & NodeAddrFlags.NodePort ? [addr] : []));
  }

  /** All addresses of this node; NodePorts answer on some. */
  setNodeAddresses(addresses: readonly Address[], withNodePorts: (address: Address) => boolean = () => true): void {
    replaceRows(
      this.#maps.nodeAddrs,
      addresses.map((addr) => [{ addr }, { flags: withNodePorts(addr) ? NodeAddrFlags.NodePort : 0 }]),
      ({ addr }) => addr,
    );
  }

  setInterfaces(interfaces: readonly HostInterface[], roles: InterfaceRoles): void {
    replaceRows(
      this.#maps.ifaces,
      interfaces.map((of) => [{ ifindex: of.ifindex }, ifaceRow(of, roles)]),
      ({ ifindex }) => ifindex,
    );
  }

  setOptedOut(cookies: readonly bigint[]): void {
    replaceRows(
      this.#maps.netnsOptOuts,
      cookies.map((cookie) => [{ cookie }, { reserved: 0 }]),
      ({ cookie }) => cookie,
    );
  }
}

const MAPPED_BITS = 96;
const FLAGS_WORD = 1;

/** A row that stays is overwritten, never absent. */
function replaceRows<K, V>(map: TypedMap<K, V>, rows: readonly (readonly [K, V])[], id: (key: K) => unknown): void {
  const wanted = new Set(rows.map(([key]) => id(key)));
  const gone = [...map.entries()].map(([key]) => key).filter((key) => !wanted.has(id(key)));
  map.setMany(rows);
  map.deleteMany(gone);
}

function ifaceRow(of: HostInterface, { uplinks, pods, localPods }: InterfaceRoles): Iface {
  return {
    addr6: of.address6 ?? UNSPECIFIED[6],
    addr4: of.address4 ?? UNSPECIFIED[4],
    mtu: of.mtu,
    mac: of.mac ?? '00:00:00:00:00:00',
    flags:
      (uplinks.has(of.ifindex) ? IfaceFlags.Uplink : 0) |
      (pods.has(of.ifindex) ? IfaceFlags.Pod : 0) |
      (localPods.has(of.ifindex) ? IfaceFlags.LocalPod : 0),
  };
}
