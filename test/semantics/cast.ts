// SPDX-License-Identifier: Apache-2.0
// Who is who: places of the cluster by the names that rules use, and the addresses that stand in their texts. It starts
// nothing.

import type { DualStack } from '../support/address-plan.ts';
import {
  client,
  CLIENT_CIDR,
  externalIp,
  nodeAddress,
  POD_CIDR,
  podAddress,
  podCidr,
  SHARED_SEGMENT,
} from '../support/address-plan.ts';
import type { BackendName, Elsewhere, Family, FrontendKind, Source, Vantage } from './rule.ts';

export const BACKEND_PORT = 8080;
export const SECOND_PORT = 8081;

/** Pods by node: near1 and near2 are backends, the third is a client alone. */
export const PODS_PER_NODE = 3;

export const ADDRESSES: Readonly<Record<BackendName | Vantage, DualStack>> = {
  near1: podAddress(1, 1),
  near2: podAddress(1, 2),
  pod: podAddress(1, 3),
  far1: podAddress(2, 1),
  far2: podAddress(2, 2),
  far: podAddress(2, 3),
  host: nodeAddress(SHARED_SEGMENT, 11),
  host1: nodeAddress(SHARED_SEGMENT, 11),
  'far host': nodeAddress(SHARED_SEGMENT, 12),
  host2: nodeAddress(SHARED_SEGMENT, 12),
  outside: client(10),
};

/** What a slice says of where a backend is. */
export const NODE_OF: Readonly<Record<BackendName, 'node1' | 'node2'>> = {
  near1: 'node1',
  near2: 'node1',
  host1: 'node1',
  far1: 'node2',
  far2: 'node2',
  host2: 'node2',
};

export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Of node1 and node2. */
export const ZONES = ['zone-a', 'zone-b'] as const;

/** Who may be asked without being a Service: rule.ts has what they are. */
export const ELSEWHERE: Readonly<Record<Elsewhere['address'], DualStack>> = {
  outside: ADDRESSES.outside,
  host: ADDRESSES.host,
  near1: ADDRESSES.near1,
  far1: ADDRESSES.far1,
  second: nodeAddress(SHARED_SEGMENT, 111),
  unallocated: { v4: '198.19.200.200', v6: '2001:db8:5::c8c8' },
};

const PREFIXES: Readonly<Record<string, DualStack>> = {
  pods: POD_CIDR,
  'near pods': podCidr(1),
  'far pods': podCidr(2),
  clients: CLIENT_CIDR,
  /** An address of the client's network that nobody has. */
  stranger: client(200),
};

/** What a rule's own Service has; made up by its number. */
export type OwnAddresses = Readonly<Record<Exclude<FrontendKind, 'NodePort'>, DualStack>>;

/** Addresses that no object names come from the same ranges, above those of rules. */
export function ownAddresses(n: number): OwnAddresses {
  return {
    ClusterIP: { v4: `198.19.${1 + (n >> 7)}.${1 + (n & 127)}`, v6: `2001:db8:5::${(0x100 + n).toString(16)}` },
    LoadBalancer: externalIp(1 + n),
    ExternalIP: externalIp(128 + n),
  };
}

export function ownNodePort(n: number, port: number): number {
  return 30_000 + 8 * n + port;
}

/** {outside.v4} and the like, anywhere in an object's texts. */
export function resolve<T>(value: T, own: OwnAddresses): T {
  const known: Readonly<Record<string, DualStack>> = { ...ELSEWHERE, ...ADDRESSES, ...PREFIXES, ...own };
  const text = JSON.stringify(value).replaceAll(
    /\{([\w ]+)\.(v[46])\}/g,
    (all: string, name: string, of: 'v4' | 'v6') => {
      const address = known[name];
      if (address === undefined) throw new Error(`${all} names nobody`);
      return address[of];
    },
  );
  return JSON.parse(text) as T;
}

export function versionOf(family: Family): 'v4' | 'v6' {
  return family === 4 ? 'v4' : 'v6';
}

/** What clients are known by to backends unless a rule says otherwise. */
export function usualSource(from: Vantage): Source {
  return from === 'outside' || from === 'far' || from === 'far host' ? 'node if far' : 'own';
}

/** `server` answers, on whatever node it is; `serving` translates. */
export function sourceAddress(
  source: Source,
  from: Vantage,
  server: string,
  serving: 'node1' | 'node2',
  family: Family,
): string {
  const home = NODE_OF[server.replace(/:.*/, '') as BackendName] as string | undefined;
  const hidden = source === 'node' || (source === 'node if far' && home !== undefined && home !== serving);
  const node = serving === 'node1' ? ADDRESSES.host : ADDRESSES['far host'];
  return (hidden ? node : ADDRESSES[from])[versionOf(family)];
}
