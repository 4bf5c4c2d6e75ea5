// SPDX-License-Identifier: Apache-2.0
// The specification, read slowly: from Kubernetes objects as JSON has them to the answer for one connection. It shares no
// code with src/, looks everything up again for each question, and follows the sections in their order.

import type { EndpointObject, EndpointSliceObject, ServiceObject } from '../../../src/sources/kubernetes/objects.ts';

export interface Question {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

/** Backends as `address port`, sorted; or what is done without one. */
export type Answer = 'untouched' | 'refused' | 'dropped' | readonly string[];

export interface World {
  readonly services: readonly ServiceObject[];
  readonly slices: readonly EndpointSliceObject[];
  readonly node: {
    readonly name: string;
    readonly zone: string;
    /** On which NodePorts answer. */
    readonly addresses: readonly string[];
  };
}

type Port = NonNullable<NonNullable<ServiceObject['spec']>['ports']>[number];

/** For a client that is neither a pod of this node nor the node itself. */
export function read(world: World, question: Question): Answer {
  // 2.1: a match on a Service's address wins over one on a NodePort.
  const found = findByAddress(world, question) ?? findByNodePort(world, question);
  if (found === undefined) return 'untouched';
  const { service, port, kind } = found;

  // 1.4: the lists.
  const endpoints = endpointsOf(world, service, port, familyOf(question.to));
  const ready = endpoints.filter(({ object }) => isReady(object));
  const draining = endpoints.filter(({ object }) => !isReady(object) && isServing(object) && isTerminating(object));
  const here = (of: readonly Found[]): readonly Found[] =>
    of.filter(({ object }) => object.nodeName === world.node.name);
  const allowed = byTopology(ready, world);
  const cluster = allowed.length > 0 ? allowed : draining;
  const local = here(ready).length > 0 ? here(ready) : here(draining);

  // 1.2, 1.6: the policy of this kind of address.
  const policy = kind === 'ClusterIP' ? service.spec?.internalTrafficPolicy : externalPolicy(service);
  const list = policy === 'Local' ? local : cluster;

  // 2.2: nobody anywhere is refused; somebody elsewhere is silence.
  if (list.length > 0) return list.map(({ address, number }) => `${address} ${number}`).sort();
  return ready.length + draining.length > 0 ? 'dropped' : 'refused';
}

// --- internal ---

interface Match {
  readonly service: ServiceObject;
  readonly port: Port;
  readonly kind: 'ClusterIP' | 'external';
}

interface Found {
  readonly address: string;
  readonly number: number;
  readonly object: EndpointObject;
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function findByAddress({ services }: World, { to, port: number, protocol }: Question): Match | undefined {
  for (const service of services) {
    for (const port of portsOf(service, familyOf(to))) {
      if (port.port !== number || protocolOf(port) !== protocol) continue;
      if (clusterIPOf(service, familyOf(to)) === to) return { service, port, kind: 'ClusterIP' };
      const { externalIPs } = service.spec ?? {};
      const ingress = service.status?.loadBalancer?.ingress ?? [];
      const claimed = ingress.filter(({ ipMode }) => ipMode !== 'Proxy').map(({ ip }) => ip);
      if ([...(externalIPs ?? []), ...claimed].includes(to)) return { service, port, kind: 'external' };
    }
  }
  return undefined;
}

function findByNodePort({ services, node }: World, { to, port: number, protocol }: Question): Match | undefined {
  if (!node.addresses.includes(to)) return undefined;
  for (const service of services) {
    for (const port of portsOf(service, familyOf(to))) {
      if ((port.nodePort ?? 0) !== 0 && port.nodePort === number && protocolOf(port) === protocol) {
        return { service, port, kind: 'external' };
      }
    }
  }
  return undefined;
}

/** 1.1, 1.2: none, if the Service is another proxy's, headless, an ExternalName, or not of this family. */
function portsOf(service: ServiceObject, family: 4 | 6): readonly Port[] {
  const labels = service.metadata.labels ?? {};
  if ('service.kubernetes.io/service-proxy-name' in labels) return [];
  if (service.spec?.type === 'ExternalName' || service.spec?.clusterIP === 'None') return [];
  return clusterIPOf(service, family) === undefined ? [] : (service.spec?.ports ?? []);
}

function clusterIPOf({ spec }: ServiceObject, family: 4 | 6): string | undefined {
  const all = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  return all.find((address) => familyOf(address) === family);
}

function protocolOf({ protocol }: { readonly protocol?: string | null | undefined }): string {
  return protocol ?? 'TCP';
}

/** 1.2: only where the Service can be reached from outside. */
function externalPolicy({ spec }: ServiceObject): string {
  const type = spec?.type ?? 'ClusterIP';
  const outside = type === 'NodePort' || type === 'LoadBalancer' || (spec?.externalIPs ?? []).length > 0;
  return outside ? (spec?.externalTrafficPolicy ?? 'Cluster') : 'Cluster';
}

/** 1.3. Where entries contradict each other, the later counts unless it terminates; slices in order of their names. */
function endpointsOf({ slices }: World, service: ServiceObject, port: Port, family: 4 | 6): Found[] {
  const found = new Map<string, Found>();
  const mine = slices
    .filter(({ metadata: { labels } }) => labels?.['kubernetes.io/service-name'] === service.metadata.name)
    .filter(({ metadata: { labels } }) => !('service.kubernetes.io/headless' in (labels ?? {})))
    .filter(({ addressType }) => addressType === `IPv${family}`)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const slice of mine) {
    for (const { name, protocol, port: number } of slice.ports ?? []) {
      if (name === undefined || name === null || !number) continue;
      if (name !== (port.name ?? '') || protocolOf({ protocol }) !== protocolOf(port)) continue;
      for (const object of slice.endpoints ?? []) {
        const address = object.addresses?.[0];
        if (address === undefined) continue;
        const key = `${address} ${number}`;
        if (found.has(key) && isTerminating(object)) continue;
        found.set(key, { address, number, object });
      }
    }
  }
  return [...found.values()];
}

function isReady({ conditions }: EndpointObject): boolean {
  return conditions?.ready ?? true;
}

function isServing({ conditions }: EndpointObject): boolean {
  return conditions?.serving ?? true;
}

function isTerminating({ conditions }: EndpointObject): boolean {
  return conditions?.terminating ?? false;
}

/** 1.4: for this node, else for its zone, else all. */
function byTopology(ready: readonly Found[], { node }: World): readonly Found[] {
  const nodesOf = ({ object: { hints } }: Found): string[] => (hints?.forNodes ?? []).map(({ name }) => name);
  const zonesOf = ({ object: { hints } }: Found): string[] => (hints?.forZones ?? []).map(({ name }) => name);
  if (ready.every((each) => nodesOf(each).length > 0)) {
    const chosen = ready.filter((each) => nodesOf(each).includes(node.name));
    if (chosen.length > 0) return chosen;
  }
  if (node.zone !== '' && ready.every((each) => zonesOf(each).length > 0)) {
    const chosen = ready.filter((each) => zonesOf(each).includes(node.zone));
    if (chosen.length > 0) return chosen;
  }
  return ready;
}
