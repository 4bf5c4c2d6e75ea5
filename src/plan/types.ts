// SPDX-License-Identifier: Apache-2.0
// What the plan says should be in the maps, in the words of the model: no ids, no slots, no bytes.

import type { Address, Family } from '../net/ip.ts';
import type { ObjectKey, Protocol } from '../model/types.ts';
import type { Prefix } from '../net/prefix.ts';
import type { Algorithm } from './algorithm.ts';
import type { Restriction } from './source-ranges.ts';

/** LOCAL, REMOTE or unknown, as bpf/abi.h explains. */
export type Locality = 'local' | 'remote' | 'unknown';

export interface WantedBackend {
  /** Identity: `address port/protocol`; also what the Maglev order is made from. */
  readonly key: string;
  readonly address: Address;
  readonly port: number;
  readonly locality: Locality;
  /** 1…MAX_WEIGHT; who has 0 is in no set. */
  readonly weight: number;
}

/** What a client is told when a set is empty: refused, or nothing at all. */
export type WhenEmpty = 'reject' | 'drop';

export interface WantedSet {
  /** Sorted by key, without duplicates. */
  readonly backends: readonly WantedBackend[];
  readonly whenEmpty: WhenEmpty;
}

/** The two lists that traffic policies choose between. */
export type SetScope = 'cluster' | 'local';

export interface WantedFrontend {
  /** `0.0.0.0` or `::` for a NodePort: any node address of the family. */
  readonly address: Address;
  readonly port: number;
  readonly kind: 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancer';
  /** For clients on this node. */
  readonly internal: SetScope;
  /** For clients from elsewhere. */
  readonly external: SetScope;
  readonly affinitySeconds: number;
  /** Only for clients in the port's source ranges; undefined: for all. */
  readonly restricted: Restriction | undefined;
}

/** One port of a Service in one family: what gets a service id. */
export interface WantedPort {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: Family;
  readonly frontends: readonly WantedFrontend[];
  readonly sets: Readonly<Record<SetScope, WantedSet>>;
  /** Of a UDP port, keys of all backends that serve, whether new clients get them or not: flows to these stay, to any
   * other they are moved. Absent: not known, all stay. */
  readonly serving?: readonly string[] | undefined;
  readonly algorithm: Algorithm;
  /** Of the port's family, without duplicates. */
  readonly sourceRanges: readonly Prefix[];
}

export interface WantedService {
  readonly key: ObjectKey;
  readonly ports: readonly WantedPort[];
  /** What the objects say that cannot be done, and what is done instead. */
  readonly warnings: readonly string[];
}
