// SPDX-License-Identifier: Apache-2.0
// Kubernetes objects as people write them, with what a test leaves out filled in. Plain data; manifests.ts writes files.

import type { Family } from './address-plan.ts';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly [field: string]: unknown;
}

export interface PortSpec {
  readonly name?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  readonly targetPort?: number;
  readonly nodePort?: number;
}

export interface ServiceSpec {
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  /** Both families when both are given. */
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  /** Becomes status.loadBalancer.ingress. */
  readonly loadBalancerIPs?: readonly string[];
  readonly ports: readonly PortSpec[];
  readonly externalTrafficPolicy?: 'Cluster' | 'Local';
  readonly internalTrafficPolicy?: 'Cluster' | 'Local';
}

export interface EndpointSpec {
  readonly address: string;
  readonly nodeName?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
}

export function service(name: string, spec: ServiceSpec): KubernetesObject {
  const { loadBalancerIPs, ...rest } = spec;
  const clusterIPs = spec.clusterIPs ?? [];
  const families = clusterIPs.map((address) => (address.includes(':') ? 'IPv6' : 'IPv4'));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      ...rest,
      type: spec.type ?? 'ClusterIP',
      ...(clusterIPs.length === 0
        ? {}
        : { clusterIP: clusterIPs[0], ipFamilies: families, ipFamilyPolicy: policy(families) }),
    },
    ...(loadBalancerIPs === undefined
      ? {}
      : { status: { loadBalancer: { ingress: loadBalancerIPs.map((ip) => ({ ip })) } } }),
  };
}

/** One slice of one family; `ports` join the Service's by name and protocol. */
export function endpointSlice(
  serviceName: string,
  family: Family,
  ports: readonly PortSpec[],
  endpoints: readonly EndpointSpec[],
): KubernetesObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${serviceName}-ipv${family}`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    addressType: `IPv${family}`,
    ports: ports.map(({ name = '', protocol = 'TCP', port, targetPort }) => ({
      name,
      protocol,
      port: targetPort ?? port,
    })),
    endpoints: endpoints.map(({ address, nodeName, ready = true, serving = ready, terminating = false }) => ({
      addresses: [address],
      conditions: { ready, serving, terminating },
      ...(nodeName === undefined ? {} : { nodeName }),
    })),
  };
}

export function node(name: string, addresses: readonly string[], podCIDRs: readonly string[]): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

// --- internal ---

function policy(families: readonly string[]): string {
  return families.length > 1 ? 'RequireDualStack' : 'SingleStack';
}
