// SPDX-License-Identifier: Apache-2.0
// What clients should see, worked out from the objects the slow and obvious way. Shares no code with src/plan: it is
// the second opinion.

import { FrontendFlags } from '../../src/abi/enums.gen.ts';
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../src/model/types.ts';

export interface NaiveFrontend {
  readonly flags: number;
  readonly affinity: number;
  readonly internal: 'cluster' | 'local';
  readonly external: 'cluster' | 'local';
}

export interface NaivePort {
  /** `namespace/name:port/protocol/family`. */
  readonly name: string;
  /** By name, `address port/protocol number`. */
  readonly frontends: ReadonlyMap<string, NaiveFrontend>;
  /** Backends as `address:port`, sorted, or `reject`, or `drop`. */
  readonly lists: { readonly cluster: string; readonly local: string };
}

const NUMBER = { TCP: 6, UDP: 17, SCTP: 132 };

/** Hints are not covered: plan/eligible has its own table of cases. */
export function naivePorts(service: Service, slices: readonly EndpointSlice[], nodeName: string): NaivePort[] {
  const result: NaivePort[] = [];
  for (const port of service.ports) {
    for (const family of [4, 6]) {
      const isOurs = (address: string): boolean => address.includes(':') === (family === 6);
      const clusterIPs = service.clusterIPs.filter(isOurs);
      if (clusterIPs.length === 0 || port.protocol === 'SCTP') continue;
      const affinity = service.affinitySeconds;
      const inside = service.internalTrafficPolicy === 'Local' ? 'local' : 'cluster';
      const outside = service.externalTrafficPolicy === 'Local' ? 'local' : 'cluster';
      const frontends = new Map<string, NaiveFrontend>();
      const put = (address: string, number: number, row: NaiveFrontend): void => {
        const name = `${address} ${number}/${NUMBER[port.protocol]}`;
        if (!frontends.has(name)) frontends.set(name, row);
      };
      const external = { affinity, internal: 'cluster', external: outside } as const;
      for (const ip of clusterIPs) {
        put(ip, port.port, { flags: FrontendFlags.ClusterIp, affinity, internal: inside, external: inside });
      }
      for (const ip of service.externalIPs.filter(isOurs)) {
        put(ip, port.port, { flags: FrontendFlags.ExternalIp, ...external });
      }
      for (const ip of service.loadBalancerIPs.filter(isOurs)) {
        put(ip, port.port, { flags: FrontendFlags.LoadBalancer, ...external });
      }
      if (port.nodePort !== 0) {
        put(family === 4 ? '0.0.0.0' : '::', port.nodePort, { flags: FrontendFlags.NodePort, ...external });
      }
      const name = `${service.namespace}/${service.name}:${port.name}/${NUMBER[port.protocol]}/${family}`;
      result.push({ name, frontends, lists: lists(port, family, slices, nodeName) });
    }
  }
  return result;
}

function lists(
  port: ServicePort,
  family: number,
  slices: readonly EndpointSlice[],
  nodeName: string,
): NaivePort['lists'] {
  const ready = new Set<string>();
  const draining = new Set<string>();
  const here = new Set<string>();
  for (const [backend, { state }] of endpointsOf(port, family, slices)) {
    if (state.ready) ready.add(backend);
    else if (state.serving && state.terminating) draining.add(backend);
    if (state.nodeName === nodeName) here.add(backend);
  }
  const choose = (of: (backend: string) => boolean, empty: string): string => {
    const first = [...ready].filter(of);
    const chosen = first.length > 0 ? first : [...draining].filter(of);
    return chosen.length > 0 ? chosen.sort().join(' ') : empty;
  };
  const cluster = choose(() => true, 'reject');
  const local = choose((backend) => here.has(backend), cluster === 'reject' ? 'reject' : 'drop');
  return { cluster, local };
}

function* endpointsOf(
  port: ServicePort,
  family: number,
  slices: readonly EndpointSlice[],
): Generator<[string, Endpoint]> {
  for (const slice of slices) {
    for (const of of slice.ports) {
      if (slice.family !== family || of.name !== port.name || of.protocol !== port.protocol) continue;
      for (const endpoint of slice.endpoints) yield [`${endpoint.address}:${of.port}`, endpoint];
    }
  }
}
