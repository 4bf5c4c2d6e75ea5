// SPDX-License-Identifier: Apache-2.0
// What sources deliver and the plan reads: compact, immutable records of the Kubernetes objects that matter here.
// Addresses are canonical strings (RFC 5952 for IPv6, dotted decimal without leading zeros for IPv4; see net/ip.ts).

import type { Address } from '../net/ip.ts';

export type { Address };

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';

export type TrafficPolicy = 'Cluster' | 'Local';

export interface ServicePort {
  /** Joins with EndpointPort.name; '' is a valid name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceType;
  /** One per family at most; empty for headless and ExternalName. */
  readonly clusterIPs: readonly Address[];
  readonly externalIPs: readonly Address[];
  /** status.loadBalancer.ingress[].ip whose ipMode is not Proxy. */
  readonly loadBalancerIPs: readonly Address[];
  /** Prefixes in canonical form; empty: everybody. */
  readonly sourceRanges: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  /** Seconds of ClientIP affinity; 0: off. */
  readonly affinitySeconds: number;
  readonly healthCheckNodePort: number;
  /** Only bpfsvc.io/* keys. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface EndpointPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** One address that answers. There may be a hundred thousand of them, so the rest is in a record that many can share. */
export interface Endpoint {
  readonly address: Address;
  readonly state: EndpointState;
}

export interface EndpointState {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** '' when unknown. */
  readonly nodeName: string;
  readonly zone: string;
  readonly forZones: readonly string[];
  readonly forNodes: readonly string[];
}

/** An EndpointSlice, or one subset of an Endpoints object in the same shape. */
export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** Name of the Service, in the same namespace. */
  readonly service: string;
  readonly family: 4 | 6;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  /** Only bpfsvc.io/* keys; absent: there are none. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Node {
  readonly name: string;
  readonly addresses: readonly Address[];
  readonly podCIDRs: readonly string[];
  readonly zone: string;
}

/** `namespace/name`. */
export type ObjectKey = string;

export function objectKey(object: { readonly namespace: string; readonly name: string }): ObjectKey {
  return join(object.namespace, object.name);
}

/** Of the Service that a slice belongs to. */
export function serviceKey(slice: Pick<EndpointSlice, 'namespace' | 'service'>): ObjectKey {
  return join(slice.namespace, slice.service);
}

/** One flat string: that of a template would keep its parts, twice as much, for as long as it is a key of something. */
function join(namespace: string, name: string): ObjectKey {
  return [namespace, name].join('/');
}
