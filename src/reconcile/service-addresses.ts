// SPDX-License-Identifier: Apache-2.0
// Addresses that Services have, as the programs ask for them when nobody has the port (bpf/lb.h): how many frontends each
// has in the maps, and a row as long as there is one. A NodePort is on the node's addresses, which are not Services'.

import type { FrontendKey } from '../abi/codecs.gen.ts';
import { FrontendFlags } from '../abi/enums.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import type { Address } from '../net/ip.ts';
import { UNSPECIFIED } from '../net/ip.ts';
import type { PresentFrontend } from './present.ts';

const KINDS = FrontendFlags.ClusterIp | FrontendFlags.ExternalIp | FrontendFlags.LoadBalancer;

type Maps = Pick<LbMaps, 'serviceAddrs' | 'putServiceAddrs' | 'deleteServiceAddrs'>;

export class ServiceAddresses {
  readonly #maps: Maps;
  readonly #frontends = new Map<Address, number>();
  readonly #missing = new Map<Address, number>();
  /** Rows that may have lost their last frontend. */
  readonly #doubtful = new Set<Address>();

  constructor(maps: Maps) {
    this.#maps = maps;
  }

  /** Reads only. */
  restore(frontends: Iterable<PresentFrontend>): void {
    for (const [{ addr }] of this.#maps.serviceAddrs()) this.#doubtful.add(addr);
    for (const { key, row } of frontends) {
      if (!this.#doubtful.has(key.addr) && hasOwn(key)) this.#missing.set(key.addr, row.flags & KINDS);
      this.#count(key, 1);
    }
  }

  /** Before frontends are put that are not there yet. */
  announce(frontends: readonly PresentFrontend[]): void {
    const rows = new Map<Address, number>();
    for (const { key, row } of frontends) {
      if (hasOwn(key) && !this.#frontends.has(key.addr)) rows.set(key.addr, row.flags & KINDS);
    }
    this.#put(rows);
  }

  /** They have been put. */
  entered(frontends: readonly PresentFrontend[]): void {
    for (const { key } of frontends) this.#count(key, 1);
  }

  /** They have been removed. */
  left(keys: readonly FrontendKey[]): void {
    for (const key of keys) {
      this.#count(key, -1);
      this.#doubtful.add(key.addr);
    }
  }

  /** Makes rows that are missing, removes those without a frontend. Throws what the maps throw, and can be called again. */
  settle(): void {
    this.#put(this.#missing);
    this.#missing.clear();
    const unused = [...this.#doubtful].filter((addr) => !this.#frontends.has(addr));
    if (unused.length > 0) this.#maps.deleteServiceAddrs(unused.map((addr) => ({ addr })));
    this.#doubtful.clear();
  }

  #put(rows: ReadonlyMap<Address, number>): void {
    if (rows.size > 0) this.#maps.putServiceAddrs([...rows].map(([addr, flags]) => [{ addr }, { flags }]));
  }

  #count(key: FrontendKey, by: number): void {
    if (!hasOwn(key)) return;
    const count = (this.#frontends.get(key.addr) ?? 0) + by;
    if (count > 0) this.#frontends.set(key.addr, count);
    else this.#frontends.delete(key.addr);
  }
}

function hasOwn({ addr }: FrontendKey): boolean {
  return addr !== UNSPECIFIED[4] && addr !== UNSPECIFIED[6];
}
