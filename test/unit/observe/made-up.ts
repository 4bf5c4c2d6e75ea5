// SPDX-License-Identifier: Apache-2.0
// Rows as the maps hold them, made up for tests: two services of one Service (IPv4 and IPv6), and one without backends.

import type { Backend, Flow, Frontend, FrontendKey, Service } from '../../../src/abi/codecs.gen.ts';
import { BackendFlags, FrontendFlags, Proto, SetMode } from '../../../src/abi/enums.gen.ts';
import { packSet } from '../../../src/abi/set-word.ts';
import type { Row } from '../../../src/datapath/lb-maps.ts';
import { parseAddress } from '../../../src/net/ip.ts';
import type { Address } from '../../../src/net/ip.ts';
import { Names } from '../../../src/observe/names.ts';
import { SetReader } from '../../../src/observe/sets.ts';

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

export function service(name: string, portName: string, family: 4 | 6, proto: Proto = Proto.Tcp): Service {
  return { namespace: 'default', name, portName, proto, family };
}

export function backend(text: string, port: number, flags: number, weight = 1): Backend {
  return { addr: address(text), port, proto: Proto.Tcp, flags, weight, zone: 0 };
}

export function frontend(
  text: string,
  port: number,
  of: { service: number; flags: number; internal?: number; external?: number },
): Row<FrontendKey, Frontend> {
  const { service: id, flags, internal = 2 * id, external = 2 * id } = of;
  return [
    { addr: address(text), port, proto: Proto.Tcp },
    { service: id, setInternal: internal, setExternal: external, affinityS: 0, flags },
  ];
}

export function flow(of: Partial<Flow>): Flow {
  return {
    packets: 0n,
    bytes: 0n,
    service: 1,
    backend: 1,
    lastSeen: 0,
    generation: 0,
    ifindex: 0,
    sport: 0,
    dport: 0,
    mtu: 0,
    state: 0,
    flags: 0,
    ...of,
  };
}

export const SERVICES: readonly Row<number, Service>[] = [
  [1, service('web', 'http', 4)],
  [2, service('web', 'http', 6)],
  [3, service('dns', '', 4, Proto.Udp)],
];

export const BACKENDS: readonly Row<number, Backend>[] = [
  [1, backend('10.244.1.5', 8080, BackendFlags.Local)],
  [2, backend('10.244.2.7', 8080, BackendFlags.Remote, 3)],
  [3, backend('fd00:10::7', 8080, BackendFlags.Remote)],
  [4, backend('10.244.1.9', 8080, BackendFlags.Local | BackendFlags.Retired)],
];

export const FRONTENDS = [
  frontend('0.0.0.0', 30_080, { service: 1, flags: FrontendFlags.NodePort, external: 3 }),
  frontend('10.96.0.10', 80, { service: 1, flags: FrontendFlags.ClusterIp }),
  frontend('fd00:96::10', 80, { service: 2, flags: FrontendFlags.ClusterIp }),
  frontend('10.96.0.53', 53, { service: 3, flags: FrontendFlags.ClusterIp }),
];

/** Slots 0..9: six of backend 1, four of 2; slots 16..20: all of 3; slots 32..36: all of 1. */
export const SLOTS = Uint32Array.from({ length: 64 }, (_, slot) => {
  if (slot < 10) return slot < 6 ? 1 : 2;
  if (slot >= 16 && slot < 21) return 3;
  return slot >= 32 && slot < 37 ? 1 : 0;
});

const hash = (first: number, count: number): bigint => packSet({ mode: SetMode.Hash, first, count });

export const SETS: ReadonlyMap<number, bigint> = new Map([
  [2, hash(0, 10)],
  [3, hash(32, 5)],
  [4, hash(16, 5)],
  [5, packSet({ mode: SetMode.Drop, first: 0, count: 0 })],
]);

export function setReader(slots: Uint32Array = SLOTS): SetReader {
  return new SetReader({
    readSet: (set) => SETS.get(set) ?? 0n,
    slots: (first, count) => slots.subarray(first, first + count),
    slotSegments: () => 1,
  });
}

export function names(): Names {
  return new Names(SERVICES, BACKENDS, [[7, 'eth0']]);
}
