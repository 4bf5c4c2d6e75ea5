// SPDX-License-Identifier: Apache-2.0
// From Kubernetes objects to the records of the model, with kube-proxy's reading of every field. Pure, and as lenient
// as kube-proxy: an address that does not parse is left out, since the API server answers for what it stores.

import type { Address } from '../../net/ip.ts';
import { family, parseAddressLenient } from '../../net/ip.ts';
import { parsePrefixLenient, prefixText } from '../../net/prefix.ts';
import type {
  Endpoint,
  EndpointPort,
  EndpointSlice,
  Node,
  Protocol,
  Service,
  ServicePort,
  ServiceType,
  TrafficPolicy,
} from '../../model/types.ts';
import type {
  EndpointObject,
  EndpointPortObject,
  EndpointSliceObject,
  EndpointsObject,
  NodeObject,
  ObjectMeta,
  ServiceObject,
} from './objects.ts';

export const HEADLESS = 'None';

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const OWN_ANNOTATIONS = 'bpfsvc.io/';

const DEFAULT_AFFINITY_SECONDS = 10_800;

/** Shared, because nearly every endpoint has none. */
const NONE: readonly never[] = [];

/** Another proxy is in charge of this Service; an empty label value says so too. */
export function isForeign(object: ServiceObject): boolean {
  return hasLabel(object.metadata, PROXY_NAME_LABEL);
}

export function isHeadless(spec: ServiceObject['spec']): boolean {
  return spec?.clusterIP === HEADLESS || spec?.clusterIPs?.[0] === HEADLESS;
}

/** A headless Service and an ExternalName have no addresses and no node ports. */
export function toService(object: ServiceObject): Service {
  const spec = object.spec ?? {};
  const type = toServiceType(spec.type);
  const hasFrontends = type !== 'ExternalName' && !isHeadless(spec);
  const externalIPs = hasFrontends ? toAddresses(spec.externalIPs) : NONE;
  const outside = type === 'NodePort' || type === 'LoadBalancer' || externalIPs.length > 0;
  const externalTrafficPolicy = outside ? toPolicy(spec.externalTrafficPolicy) : 'Cluster';
  const checked = type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
  return {
    namespace: object.metadata.namespace ?? 'default',
    name: object.metadata.name,
    type,
    clusterIPs: hasFrontends ? onePerFamily(toAddresses(spec.clusterIPs ?? [spec.clusterIP ?? ''])) : NONE,
    externalIPs,
    loadBalancerIPs: hasFrontends ? loadBalancerIPs(object) : NONE,
    sourceRanges: toPrefixes(spec.loadBalancerSourceRanges),
    ports: toServicePorts(object, hasFrontends),
    internalTrafficPolicy: toPolicy(spec.internalTrafficPolicy),
    externalTrafficPolicy,
    affinitySeconds:
      spec.sessionAffinity === 'ClientIP'
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
        : 0,
    healthCheckNodePort: checked ? (spec.healthCheckNodePort ?? 0) : 0,
    annotations: ownAnnotations(object.metadata),
  };
}

/** Undefined: not for a proxy (no Service named, headless, or names instead of addresses). */
export function toSlice(object: EndpointSliceObject): EndpointSlice | undefined {
  const service = object.metadata.labels?.[SERVICE_NAME_LABEL];
  if (service === undefined || service === '' || hasLabel(object.metadata, HEADLESS_LABEL)) return undefined;
  if (object.addressType !== 'IPv4' && object.addressType !== 'IPv6') return undefined;
  const of = object.addressType === 'IPv4' ? 4 : 6;
  const endpoints: Endpoint[] = [];
  for (const each of object.endpoints ?? []) {
    const address = parseAddressLenient(each.addresses?.[0] ?? '');
    if (address !== undefined && family(address) === of) endpoints.push(toEndpoint(address, each));
  }
  return {
    namespace: object.metadata.namespace ?? 'default',
    name: object.metadata.name,
    service,
    family: of,
    ports: toEndpointPorts(object.ports),
    endpoints,
    ...sliceAnnotations(object.metadata),
  };
}

/** One slice for each subset and family, named so that no EndpointSlice can have the same name. */
export function toMirroredSlices(object: EndpointsObject): EndpointSlice[] {
  const slices: EndpointSlice[] = [];
  if (object.metadata.labels?.[SKIP_MIRROR_LABEL] === 'true') return slices;
  for (const [index, subset] of (object.subsets ?? []).entries()) {
    const endpoints = [
      ...(subset.addresses ?? []).map((each) => ({ each, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((each) => ({ each, ready: false })),
    ].flatMap(({ each, ready }) => {
      const address = parseAddressLenient(each.ip);
      return address === undefined ? [] : [toEndpoint(address, { nodeName: each.nodeName, conditions: { ready } })];
    });
    for (const wanted of [4, 6] as const) {
      const ofFamily = endpoints.filter((endpoint) => family(endpoint.address) === wanted);
      if (ofFamily.length === 0) continue;
      slices.push({
        namespace: object.metadata.namespace ?? 'default',
        name: `endpoints/${object.metadata.name}-${index}-${wanted}`,
        service: object.metadata.name,
        family: wanted,
        // An Endpoints port without a name has the empty name; a slice's port without one is none.
        ports: toEndpointPorts(subset.ports?.map((port) => ({ ...port, name: port.name ?? '' }))),
        endpoints: ofFamily,
        ...sliceAnnotations(object.metadata),
      });
    }
  }
  return slices;
}

export function toNode(object: NodeObject): Node {
  const named = object.status?.addresses ?? [];
  const internal = named.filter((each) => each.type === 'InternalIP');
  const external = named.filter((each) => each.type === 'ExternalIP');
  const podCIDR = object.spec?.podCIDR;
  return {
    name: object.metadata.name,
    addresses: toAddresses([...internal, ...external].map((each) => each.address ?? '')),
    podCIDRs: toPrefixes(object.spec?.podCIDRs ?? (podCIDR ? [podCIDR] : [])),
    zone: object.metadata.labels?.[ZONE_LABEL] ?? '',
  };
}

function hasLabel(metadata: ObjectMeta, label: string): boolean {
  return Object.hasOwn(metadata.labels ?? {}, label);
}

function toServiceType(type: string | null | undefined): ServiceType {
  return type === 'NodePort' || type === 'LoadBalancer' || type === 'ExternalName' ? type : 'ClusterIP';
}

function toPolicy(policy: string | null | undefined): TrafficPolicy {
  return policy === 'Local' ? 'Local' : 'Cluster';
}

function toProtocol(protocol: string | null | undefined): Protocol {
  return protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP';
}

function toServicePorts(object: ServiceObject, hasFrontends: boolean): ServicePort[] {
  return (object.spec?.ports ?? []).map((each) => ({
    name: each.name ?? '',
    protocol: toProtocol(each.protocol),
    port: each.port,
    nodePort: hasFrontends ? (each.nodePort ?? 0) : 0,
  }));
}

function toEndpointPorts(ports: readonly EndpointPortObject[] | null | undefined): EndpointPort[] {
  return (ports ?? []).flatMap((each) =>
    typeof each.name !== 'string' || !each.port
      ? []
      : [{ name: each.name, protocol: toProtocol(each.protocol), port: each.port }],
  );
}

/** An unknown condition counts as ready, serving and not terminating, each by itself. */
function toEndpoint(address: Address, object: EndpointObject): Endpoint {
  const state = {
    ready: object.conditions?.ready ?? true,
    serving: object.conditions?.serving ?? true,
    terminating: object.conditions?.terminating ?? false,
    nodeName: object.nodeName ?? '',
    zone: object.zone ?? '',
    forZones: object.hints?.forZones?.map((each) => each.name) ?? NONE,
    forNodes: object.hints?.forNodes?.map((each) => each.name) ?? NONE,
  };
  return { address, state };
}

function toAddresses(texts: readonly string[] | null | undefined): Address[] {
  const addresses = (texts ?? []).flatMap((text) => parseAddressLenient(text) ?? []);
  return [...new Set(addresses)];
}

function toPrefixes(texts: readonly string[] | null | undefined): string[] {
  const prefixes = (texts ?? []).flatMap((text) => parsePrefixLenient(text) ?? []);
  return [...new Set(prefixes.map(prefixText))];
}

function onePerFamily(addresses: readonly Address[]): Address[] {
  return addresses.filter((address, i) => i === addresses.findIndex((other) => family(other) === family(address)));
}

/** With ipMode Proxy the load balancer itself must see the traffic, also that from inside. */
function loadBalancerIPs(object: ServiceObject): Address[] {
  const ingress = object.status?.loadBalancer?.ingress ?? [];
  return toAddresses(ingress.filter((each) => each.ipMode !== 'Proxy').map((each) => each.ip ?? ''));
}

function sliceAnnotations(metadata: ObjectMeta): Pick<EndpointSlice, 'annotations'> {
  const annotations = ownAnnotations(metadata);
  return Object.keys(annotations).length === 0 ? {} : { annotations };
}

function ownAnnotations(metadata: ObjectMeta): Record<string, string> {
  const entries = Object.entries(metadata.annotations ?? {});
  return Object.fromEntries(entries.filter(([key]) => key.startsWith(OWN_ANNOTATIONS)));
}
