// SPDX-License-Identifier: Apache-2.0
// Records of the model for tests, with defaults for what a test does not care about.

import type { Endpoint, EndpointSlice, EndpointState, Protocol, Service, ServicePort } from '../../src/model/types.ts';
import type { Address } from '../../src/net/ip.ts';
import { parseAddress } from '../../src/net/ip.ts';

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

const READY: EndpointState = {
  ready: true,
  serving: true,
  terminating: false,
  nodeName: '',
  zone: '',
  forZones: [],
  forNodes: [],
};

export function endpoint(text: string, extra: Partial<EndpointState> = {}): Endpoint {
  return { address: address(text), state: { ...READY, ...extra } };
}

export function port(number: number, extra: Partial<ServicePort> = {}): ServicePort {
  return { name: 'http', protocol: 'TCP', port: number, nodePort: 0, ...extra };
}

export function serviceRecord(name: string, clusterIPs: readonly string[], extra: Partial<Service> = {}): Service {
  return {
    namespace: 'default',
    name,
    type: 'ClusterIP',
    clusterIPs: clusterIPs.map(address),
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    ports: [port(80)],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    affinitySeconds: 0,
    healthCheckNodePort: 0,
    annotations: {},
    ...extra,
  };
}

export function sliceRecord(
  service: string,
  endpoints: readonly Endpoint[],
  extra: Partial<EndpointSlice> & { portName?: string; protocol?: Protocol; number?: number } = {},
): EndpointSlice {
  const { portName = 'http', protocol = 'TCP', number = 8080, ...rest } = extra;
  return {
    namespace: 'default',
    name: `${service}-1`,
    service,
    family: endpoints.some(({ address: text }) => text.includes(':')) ? 6 : 4,
    ports: [{ name: portName, protocol, port: number }],
    endpoints,
    ...rest,
  };
}
