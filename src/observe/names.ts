// SPDX-License-Identifier: Apache-2.0
// From the numbers in the maps to what people call the things. Pure; ids stay beside the names, because a name may be
// gone while flows still bear the number.

import type { Backend, Service } from '../abi/codecs.gen.ts';
import { BackendFlags, PROTO_NAMES } from '../abi/enums.gen.ts';
import type { Row } from '../datapath/lb-maps.ts';
import type { Address } from '../net/ip.ts';
import type { Locality, SetScope } from '../plan/types.ts';

export interface ServiceRef {
  readonly id: number;
  /** `namespace/name:port`; null: no row of this id. */
  readonly name: string | null;
}

export interface BackendRef {
  readonly id: number;
  /** Null: no row of this id. */
  readonly address: Address | null;
  readonly port: number | null;
}

export interface InterfaceRef {
  readonly id: number;
  /** Null: no such interface in this network namespace. */
  readonly name: string | null;
}

export class Names {
  readonly services: ReadonlyMap<number, Service>;
  readonly backends: ReadonlyMap<number, Backend>;
  readonly #interfaces: ReadonlyMap<number, string>;
  /** Made once: many rows name the same thing. */
  readonly #serviceRefs = new Map<number, ServiceRef>();
  readonly #backendRefs = new Map<number, BackendRef>();

  constructor(
    services: Iterable<Row<number, Service>>,
    backends: Iterable<Row<number, Backend>>,
    interfaces: Iterable<Row<number, string>> = [],
  ) {
    this.services = new Map(services);
    this.backends = new Map(backends);
    this.#interfaces = new Map(interfaces);
  }

  service(id: number): ServiceRef {
    let ref = this.#serviceRefs.get(id);
    if (ref === undefined) {
      const row = this.services.get(id);
      this.#serviceRefs.set(id, (ref = { id, name: row === undefined ? null : serviceName(row) }));
    }
    return ref;
  }

  backend(id: number): BackendRef {
    let ref = this.#backendRefs.get(id);
    if (ref === undefined) {
      const row = this.backends.get(id);
      this.#backendRefs.set(id, (ref = { id, address: row?.addr ?? null, port: row?.port ?? null }));
    }
    return ref;
  }

  interface(id: number): InterfaceRef {
    return { id, name: this.#interfaces.get(id) ?? null };
  }
}

/** As kube-proxy writes it: a single port without a name leaves the colon out. */
export function serviceName({ namespace, name, portName }: Service): string {
  return `${namespace}/${name}${portName === '' ? '' : `:${portName}`}`;
}

export function protocolName(proto: number): string {
  return PROTO_NAMES[proto] ?? String(proto);
}

type FlagNames = Readonly<Record<number, string>>;

/** By what the flags mean, then by the flags: a million rows have a dozen combinations. */
const COMBINATIONS = new Map<FlagNames, Map<number, readonly string[]>>();

/** Bits by name; what has no name is a number. */
export function flagNames(flags: number, names: FlagNames): readonly string[] {
  let combinations = COMBINATIONS.get(names);
  if (combinations === undefined) COMBINATIONS.set(names, (combinations = new Map<number, readonly string[]>()));
  let known = combinations.get(flags);
  if (known === undefined) combinations.set(flags, (known = namesOf(flags, names)));
  return known;
}

function namesOf(flags: number, names: FlagNames): readonly string[] {
  const known = Object.entries(names).filter(([bit]) => flags & Number(bit));
  const rest = known.reduce((left, [bit]) => left & ~Number(bit), flags);
  return [...known.map(([, name]) => name), ...(rest === 0 ? [] : [`0x${(rest >>> 0).toString(16)}`])];
}

export function locality(flags: number): Locality {
  if (flags & BackendFlags.Local) return 'local';
  return flags & BackendFlags.Remote ? 'remote' : 'unknown';
}

/** A service's two sets lie side by side (bpf/abi.h, struct service). */
export function setIds(service: number): Readonly<Record<SetScope, number>> {
  return { cluster: 2 * service, local: 2 * service + 1 };
}

export function setOwner(set: number): { readonly service: number; readonly scope: SetScope } {
  return { service: set >>> 1, scope: set & 1 ? 'local' : 'cluster' };
}
