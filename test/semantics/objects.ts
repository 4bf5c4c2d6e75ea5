// SPDX-License-Identifier: Apache-2.0
// From what a rule gives to Kubernetes objects. What a rule leaves out is left out: conditions, names and hints stand in
// an object only where the rule has them.

import type { KubernetesObject } from '../support/objects.ts';
import type { OwnAddresses } from './cast.ts';
import { ADDRESSES, BACKEND_PORT, NODE_OF, ownAddresses, ownNodePort, resolve, versionOf } from './cast.ts';
import type { EndpointGiven, Family, Frontend, Given, PortGiven, Rule, Sight, SliceGiven } from './rule.ts';

export const USUAL_PORTS: readonly PortGiven[] = [
  { name: 'http', protocol: 'TCP', port: 80 },
  { name: 'dgram', protocol: 'UDP', port: 80 },
];

/** A Service of a rule in the cluster: its name and what it was given. */
export interface Made {
  readonly name: string;
  readonly own: OwnAddresses;
  readonly ownPort: number;
  /** With the NodePorts that they would have. */
  readonly ports: (given: Given) => readonly MadePort[];
  readonly objects: (given: Given | null) => KubernetesObject[];
}

export type MadePort = PortGiven & { readonly port: number; readonly nodePort: number };

/** The Services of a rule by name, '' being the first; `number` counts Services, from 0. */
export function makeServices(rule: Rule, number: () => number): Map<string, Made> {
  const names = [
    '',
    ...Object.keys(rule.others ?? {}),
    ...(rule.steps ?? []).flatMap((s) => Object.keys(s.others ?? {})),
  ];
  const base = `rule-${number()}`;
  const made = [...new Set(names)].map((of, i): [string, Made] => {
    const name = of === '' ? base : `${base}-${of}`;
    return [of, makeService(name, i === 0 ? Number(base.slice(5)) : number(), kindsOf(rule, of))];
  });
  return new Map(made);
}

export function frontendOf(sight: Sight): Frontend | undefined {
  const { to } = sight;
  if (typeof to === 'string') return { at: to };
  if ('at' in to) return to;
  return to.port === 'NodePort' ? { at: 'NodePort' } : undefined;
}

// --- internal ---

function kindsOf(rule: Rule, of: string): Set<Frontend['at']> {
  const sights = [rule.seen ?? [], ...(rule.steps ?? []).map(({ seen }) => seen)].flat();
  const frontends = sights.flatMap((sight) => ('held' in sight ? [] : (frontendOf(sight) ?? [])));
  return new Set(frontends.filter((frontend) => (frontend.of ?? '') === of).map(({ at }) => at));
}

function makeService(name: string, n: number, kinds: ReadonlySet<Frontend['at']>): Made {
  const own = ownAddresses(n);
  const ownPort = 20_000 + n;
  const ports: Made['ports'] = (given) =>
    (given.ports ?? USUAL_PORTS).map((port) => ({
      ...port,
      port: port.port === 'own' ? ownPort : port.port,
      nodePort: port.nodePort ?? ownNodePort(n, sharedIndex(given, port)),
    }));
  const objects: Made['objects'] = (given) => {
    if (given === null) return [];
    const slices = sliceObjects(name, given, own);
    return given.service === false ? slices : [serviceObject(name, given, own, kinds, ports(given)), ...slices];
  };
  return { name, own, ownPort, ports, objects };
}

/** One number for TCP and UDP, as for the port. */
function sharedIndex(given: Given, port: PortGiven): number {
  const numbers = [...new Set((given.ports ?? USUAL_PORTS).map((each) => each.port))];
  return numbers.indexOf(port.port);
}

function hasNodePorts(type: Given['type']): boolean {
  return type === 'NodePort' || type === 'LoadBalancer';
}

function serviceObject(
  name: string,
  given: Given,
  own: OwnAddresses,
  kinds: ReadonlySet<Frontend['at']>,
  ports: readonly MadePort[],
): KubernetesObject {
  const { families = [4, 6], type = typeFor(kinds) } = given;
  const of = (address: OwnAddresses['ClusterIP']): string[] => families.map((family) => address[versionOf(family)]);
  const clusterIPs = of(own.ClusterIP);
  const ingress = type === 'LoadBalancer' ? of(own.LoadBalancer).map((ip) => ({ ip })) : [];
  const spec = {
    type,
    clusterIP: clusterIPs[0],
    clusterIPs,
    ipFamilies: families.map((family) => `IPv${family}`),
    ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack',
    ...(kinds.has('ExternalIP') ? { externalIPs: of(own.ExternalIP) } : {}),
    ports: ports.map(({ name: portName, protocol = 'TCP', port, nodePort }) => ({
      name: portName,
      protocol,
      port,
      ...(nodePort === 0 || !hasNodePorts(type) ? {} : { nodePort }),
    })),
  };
  return resolve(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name,
        namespace: 'default',
        ...(given.labels === undefined ? {} : { labels: given.labels }),
        ...(given.annotations === undefined ? {} : { annotations: given.annotations }),
      },
      spec: withoutNulls({ ...spec, ...given.spec }),
      status: given.status ?? { loadBalancer: ingress.length === 0 ? {} : { ingress } },
    },
    own,
  );
}

/** A rule takes a field away by giving it as null. */
function withoutNulls<T>(fields: Readonly<Record<string, T | null>>): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, T] => entry[1] !== null));
}

function typeFor(kinds: ReadonlySet<Frontend['at']>): NonNullable<Given['type']> {
  if (kinds.has('LoadBalancer')) return 'LoadBalancer';
  return ['NodePort', 'loopback', 'far NodePort'].some((at) => kinds.has(at as never)) ? 'NodePort' : 'ClusterIP';
}

function sliceObjects(name: string, given: Given, own: OwnAddresses): KubernetesObject[] {
  const slices: readonly SliceGiven[] = given.slices ?? [{ endpoints: given.endpoints ?? [] }];
  return slices.flatMap((slice, i) => {
    const families: readonly Family[] = given.families ?? [4, 6];
    const types = slice.addressType === undefined ? families.map((family) => `IPv${family}`) : [slice.addressType];
    return types.map((type) =>
      resolve(sliceObject(`${name}-${i}-${type.toLowerCase()}`, name, type, slice, given), own),
    );
  });
}

function sliceObject(name: string, service: string, type: string, slice: SliceGiven, given: Given): KubernetesObject {
  const usual = (given.ports ?? USUAL_PORTS).map(
    ({ name: portName, protocol = 'TCP', endpointPort = BACKEND_PORT }) => ({
      name: portName,
      protocol,
      port: endpointPort,
    }),
  );
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: slice.namespace ?? 'default',
      labels: withoutNulls({ 'kubernetes.io/service-name': service, ...slice.labels }),
    },
    addressType: type,
    ports: slice.ports ?? usual,
    endpoints: slice.endpoints.map((endpoint) => ({
      ...endpointObject(endpoint, type === 'IPv6' ? 'v6' : 'v4'),
      ...(slice.addresses === undefined ? {} : { addresses: slice.addresses }),
    })),
  };
}

function endpointObject(given: EndpointGiven, version: 'v4' | 'v6'): Record<string, unknown> {
  const { at, nodeName, ...rest } = typeof given === 'string' ? { at: given, conditions: READY } : given;
  const node = nodeName === undefined ? NODE_OF[at] : nodeName;
  return { addresses: [ADDRESSES[at][version]], ...rest, ...(node === null ? {} : { nodeName: node }) };
}

const READY = { ready: true, serving: true, terminating: false };
