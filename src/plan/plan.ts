// SPDX-License-Identifier: Apache-2.0
// Pure: one Service and its slices, seen from one node -> the entries wanted. Dry-run, diff and explain ask the same
// function; it does no I/O and knows no ids.

import type { Endpoint, EndpointSlice, Protocol, Service, ServicePort } from '../model/types.ts';
import { objectKey } from '../model/types.ts';
import type { Address, Family } from '../net/ip.ts';
import { UNSPECIFIED, family } from '../net/ip.ts';
import { DEFAULT_ALGORITHM } from './algorithm.ts';
import { algorithmOf, NO_WEIGHTS, weightsOf } from './annotations.ts';
import type { Weights } from './annotations.ts';
import type { NodeView } from './eligible.ts';
import { eligibleEndpoints } from './eligible.ts';
import type { Restriction } from './source-ranges.ts';
import { rangesOf, restrictionOf } from './source-ranges.ts';
import type {
  Locality,
  SetScope,
  WantedBackend,
  WantedFrontend,
  WantedPort,
  WantedService,
  WantedSet,
} from './types.ts';

/** SCTP needs a checksum that the packet path does not write yet. */
const PROTOCOLS: ReadonlySet<Protocol> = new Set<Protocol>(['TCP', 'UDP']);

/** What slices know a Service's port by. */
export type NamedPort = Pick<ServicePort, 'name' | 'protocol'>;

interface PortEndpoint extends Endpoint {
  readonly port: number;
  readonly weight: number;
}

export function planService(service: Service, slices: Iterable<EndpointSlice>, node: NodeView): WantedService {
  const all = inOrder(slices);
  const warnings: string[] = [];
  const algorithm = algorithmOf(service, node.algorithm ?? DEFAULT_ALGORITHM, warnings);
  const weights = weightsOf(service, all, warnings);
  const ports: WantedPort[] = [];
  for (const port of service.ports) {
    if (!PROTOCOLS.has(port.protocol)) continue;
    for (const of of FAMILIES) {
      const sourceRanges = rangesOf(service, of);
      const restriction = restrictionOf(sourceRanges, node.podPrefixes ?? [], of);
      const frontends = planFrontends(service, port, of, restriction);
      if (frontends.length === 0) continue;
      ports.push({
        namespace: service.namespace,
        name: service.name,
        portName: port.name,
        protocol: port.protocol,
        family: of,
        frontends,
        sets: setsOf(all, port, of, node, weights),
        ...(port.protocol === 'UDP' ? { serving: servingBackends(all, port, of, weights) } : {}),
        algorithm,
        sourceRanges,
      });
    }
  }
  return { key: objectKey(service), ports, warnings };
}

/** The lists of one port alone, for who knows the slices and not the Service. */
export function planSets(
  slices: Iterable<EndpointSlice>,
  port: NamedPort,
  of: Family,
  node: NodeView,
): WantedPort['sets'] {
  const all = inOrder(slices);
  return setsOf(all, port, of, node, weightsOf(undefined, all, []));
}

/** Keys of all backends that slices name for a port, usable or not; undefined: no slice speaks of the port. */
export function namedBackends(
  slices: Iterable<EndpointSlice>,
  port: NamedPort,
  of: Family,
): ReadonlySet<string> | undefined {
  const speaking = [...slices].filter((slice) => slice.family === of && slice.ports.some((each) => isPort(each, port)));
  if (speaking.length === 0) return undefined;
  return new Set(portEndpoints(speaking, port, of, NO_WEIGHTS).map((endpoint) => backendKey(endpoint, port.protocol)));
}

const FAMILIES: readonly Family[] = [4, 6];

/** Where two slices contradict each other the order decides: it must not be that of their arrival. */
function inOrder(slices: Iterable<EndpointSlice>): EndpointSlice[] {
  return [...slices].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function setsOf(
  slices: readonly EndpointSlice[],
  port: NamedPort,
  of: Family,
  node: NodeView,
  weights: Weights,
): Record<SetScope, WantedSet> {
  const eligible = eligibleEndpoints(portEndpoints(slices, port, of, weights), node);
  return {
    cluster: toSet(eligible.cluster, port.protocol, node, false),
    local: toSet(eligible.local, port.protocol, node, eligible.anywhere),
  };
}

/** A Service without a ClusterIP of a family does not exist for that family. */
function planFrontends(
  service: Service,
  port: ServicePort,
  of: Family,
  restriction: Restriction | undefined,
): WantedFrontend[] {
  const clusterIPs = service.clusterIPs.filter((address) => family(address) === of);
  if (clusterIPs.length === 0) return [];
  const { affinitySeconds } = service;
  const frontends: WantedFrontend[] = [];
  const add = (
    kind: WantedFrontend['kind'],
    address: Address,
    number: number,
    internal: SetScope,
    external: SetScope,
  ): void => {
    // An external IP may be a load balancer's, too.
    if (frontends.some((frontend) => frontend.address === address && frontend.port === number)) return;
    const restricted = kind === 'LoadBalancer' ? restriction : undefined;
    frontends.push({ address, port: number, kind, internal, external, affinitySeconds, restricted });
  };
  const inside: SetScope = service.internalTrafficPolicy === 'Local' ? 'local' : 'cluster';
  const outside: SetScope = service.externalTrafficPolicy === 'Local' ? 'local' : 'cluster';
  for (const address of clusterIPs) add('ClusterIP', address, port.port, inside, inside);
  // A client on this node is short-circuited to the cluster list, whatever externalTrafficPolicy says.
  const addExternal = (kind: WantedFrontend['kind'], address: Address, number: number): void => {
    if (family(address) === of) add(kind, address, number, 'cluster', outside);
  };
  for (const address of service.externalIPs) addExternal('ExternalIP', address, port.port);
  for (const address of service.loadBalancerIPs) addExternal('LoadBalancer', address, port.port);
  if (port.nodePort !== 0) addExternal('NodePort', UNSPECIFIED[of], port.nodePort);
  return frontends;
}

/** Policies, topology and termination decide who gets new clients, not who keeps old ones. */
function servingBackends(slices: readonly EndpointSlice[], port: NamedPort, of: Family, weights: Weights): string[] {
  return portEndpoints(slices, port, of, weights)
    .filter(({ state }) => state.serving || state.ready)
    .map((endpoint) => backendKey(endpoint, port.protocol));
}

/** Joins by port name and protocol, never by number: one name may have several numbers. */
function portEndpoints(
  slices: readonly EndpointSlice[],
  port: NamedPort,
  of: Family,
  weights: Weights,
): PortEndpoint[] {
  const found = new Map<string, PortEndpoint>();
  for (const slice of slices) {
    if (slice.family !== of) continue;
    for (const each of slice.ports) {
      if (!isPort(each, port)) continue;
      const number = each.port;
      for (const endpoint of slice.endpoints) {
        const key = `${endpoint.address} ${String(number)}`;
        // Listed twice, running beats terminating; otherwise the later entry counts.
        if (found.has(key) && endpoint.state.terminating) continue;
        const weight = weights(slice, endpoint.address);
        found.set(key, { address: endpoint.address, state: endpoint.state, port: number, weight });
      }
    }
  }
  return [...found.values()];
}

function isPort(of: NamedPort, port: NamedPort): boolean {
  return of.name === port.name && of.protocol === port.protocol;
}

function backendKey({ address, port }: Pick<PortEndpoint, 'address' | 'port'>, protocol: Protocol): string {
  return `${address} ${String(port)}/${protocol}`;
}

/** elsewhere: usable endpoints exist, though perhaps not in this list. */
function toSet(endpoints: readonly PortEndpoint[], protocol: Protocol, node: NodeView, elsewhere: boolean): WantedSet {
  const backends: WantedBackend[] = [];
  for (const endpoint of endpoints) {
    // It keeps the connections that it has, and gets no new one.
    if (endpoint.weight === 0) continue;
    backends.push({
      key: backendKey(endpoint, protocol),
      address: endpoint.address,
      port: endpoint.port,
      locality: locality(endpoint.state.nodeName, node),
      weight: endpoint.weight,
    });
  }
  backends.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return { backends, whenEmpty: elsewhere ? 'drop' : 'reject' };
}

function locality(nodeName: string, node: NodeView): Locality {
  if (nodeName === '' || node.name === '') return 'unknown';
  return nodeName === node.name ? 'local' : 'remote';
}
