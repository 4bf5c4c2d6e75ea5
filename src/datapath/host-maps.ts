// SPDX-License-Identifier: Apache-2.0
// What the programs must know of this host: its addresses, its interfaces, namespaces left alone, and the generation of
// its routes. Written whole, by difference.

import type { Iface } from '../abi/codecs.gen.ts';
import { IfaceFlags, NodeAddrFlags } from '../abi/enums.gen.ts';
import type { Address } from '../net/ip.ts';
import { UNSPECIFIED } from '../net/ip.ts';
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

export class HostMaps {
  readonly #maps: MapSet;
  readonly #control: Uint32Array;

  constructor(maps: MapSet) {
    this.#maps = maps;
    this.#control = new Uint32Array(maps.control.mmap(0, 8));
  }

  close(): void {
    this.#maps.control.munmap(this.#control.buffer as ArrayBuffer);
  }

  /** Of routes; flows that were resolved in another ask the FIB anew. Never 0: that is a flow that has not asked yet. */
  get generation(): number {
    return Atomics.load(this.#control, 0);
  }

  set generation(value: number) {
    Atomics.store(this.#control, 0, value);
  }

  get nodeAddresses(): Address[] {
    return Array.from(this.#maps.nodeAddrs.entries(), ([{ addr }]) => addr);
  }

  /** Addresses on which NodePorts answer. */
  setNodeAddresses(addresses: readonly Address[]): void {
    const wanted = new Set(addresses);
    const gone: { addr: Address }[] = [];
    for (const [key] of this.#maps.nodeAddrs.entries()) {
      if (!wanted.delete(key.addr)) gone.push(key);
    }
    this.#maps.nodeAddrs.setMany([...wanted].map((addr) => [{ addr }, { flags: NodeAddrFlags.NodePort }]));
    this.#maps.nodeAddrs.deleteMany(gone);
  }

  /** uplinks: the ifindexes of those that lead outside. */
  setInterfaces(interfaces: readonly HostInterface[], uplinks: ReadonlySet<number>): void {
    const present = new Set([...this.#maps.ifaces.entries()].map(([key]) => key.ifindex));
    for (const { ifindex } of interfaces) present.delete(ifindex);
    this.#maps.ifaces.setMany(interfaces.map((of) => [{ ifindex: of.ifindex }, ifaceRow(of, uplinks)]));
    this.#maps.ifaces.deleteMany([...present].map((ifindex) => ({ ifindex })));
  }

  setOptedOut(cookies: readonly bigint[]): void {
    const wanted = new Set(cookies);
    const gone: { cookie: bigint }[] = [];
    for (const [key] of this.#maps.netnsOptOuts.entries()) {
      if (!wanted.delete(key.cookie)) gone.push(key);
    }
    this.#maps.netnsOptOuts.setMany([...wanted].map((cookie) => [{ cookie }, { reserved: 0 }]));
    this.#maps.netnsOptOuts.deleteMany(gone);
  }
}

function ifaceRow(of: HostInterface, uplinks: ReadonlySet<number>): Iface {
  return {
    addr6: of.address6 ?? UNSPECIFIED[6],
    addr4: of.address4 ?? UNSPECIFIED[4],
    mtu: of.mtu,
    mac: of.mac ?? '00:00:00:00:00:00',
    flags: uplinks.has(of.ifindex) ? IfaceFlags.Uplink : 0,
  };
}
