// SPDX-License-Identifier: Apache-2.0
// What the API server demands of the fields of a Service together. Runs also when single fields are wrong, so that all
// mistakes are told at once; values are therefore compared, never trusted to have their type.

import { parseAddress } from '../../net/ip.ts';
import { HEADLESS, isHeadless } from '../kubernetes/convert.ts';
import { familyText, issue, show, specialAddress } from './fields.ts';
import { isDnsSubdomain } from './names.ts';
import type { PortRange } from './port-range.ts';
import { inRange, rangeText } from './port-range.ts';
import type { Issue } from './problem.ts';
import type { ServiceSpec } from './service-schema.ts';

export function* serviceRules(spec: ServiceSpec, nodePorts: PortRange): Generator<Issue> {
  yield* clusterIPRules(spec);
  yield* familyRules(spec);
  yield* externalIPRules(spec);
  yield* portRules(spec);
  yield* nodePortRules(spec, nodePorts);
  yield* typeRules(spec);
  yield* externalNameRules(spec);
  yield* trafficRules(spec);
}

function* clusterIPRules(spec: ServiceSpec): Generator<Issue> {
  const single = spec.clusterIP ?? '';
  const several = spec.clusterIPs ?? [];
  if (single !== '' && several[0] !== undefined && several[0] !== single) {
    yield issue(
      ['clusterIP'],
      `${show(single)} differs from clusterIPs[0], ${show(several[0])}; use one of them in both`,
    );
  }
  if (several.includes(HEADLESS) && several.length > 1) {
    yield issue(['clusterIPs'], `${HEADLESS} stands beside other values; leave it alone or remove it`);
  }
  for (const [i, each] of several.entries()) {
    if (each === '') yield issue(['clusterIPs', i], 'is empty; write an address or leave it out');
  }
  if (several.length > 2) {
    yield issue(['clusterIPs'], `has ${several.length} addresses; use at most one of each family`);
  }
  const [first, second] = several.map(addressOf);
  if (first !== undefined && second !== undefined && familyText(first) === familyText(second)) {
    yield issue(['clusterIPs'], `has two ${familyText(first)} addresses; use at most one of each family`);
  }
}

function* familyRules(spec: ServiceSpec): Generator<Issue> {
  const families = spec.ipFamilies ?? [];
  if (families.length > new Set(families).size) {
    yield issue(['ipFamilies'], 'names a family twice; use IPv4, IPv6 or both');
  }
  const given = spec.clusterIPs ?? [spec.clusterIP];
  for (const [i, each] of given.entries()) {
    const address = addressOf(each);
    const wanted = families[i];
    if (address === undefined || wanted === undefined || familyText(address) === wanted) continue;
    const field = spec.clusterIPs === undefined ? ['clusterIP'] : ['clusterIPs', i];
    yield issue(field, `${address} is ${familyText(address)}, ipFamilies[${i}] says ${wanted}; make them agree`);
  }
  const dual = (spec.clusterIPs?.length ?? 0) > 1 || families.length > 1;
  const mayBeDual =
    spec.ipFamilyPolicy ?? (isHeadless(spec) && !hasSelector(spec) ? 'RequireDualStack' : 'SingleStack');
  if (dual && mayBeDual === 'SingleStack') {
    const what = spec.ipFamilyPolicy === undefined ? 'is missing' : 'is SingleStack';
    yield issue(['ipFamilyPolicy'], `${what} with two families; use PreferDualStack or RequireDualStack`);
  }
}

function* externalIPRules(spec: ServiceSpec): Generator<Issue> {
  for (const [i, each] of (spec.externalIPs ?? []).entries()) {
    const special = specialAddress(each);
    if (special !== undefined) yield issue(['externalIPs', i], special);
  }
}

function* portRules(spec: ServiceSpec): Generator<Issue> {
  const ports = spec.ports ?? [];
  const names = new Map<string, number>();
  const numbers = new Map<string, number>();
  for (const [i, port] of ports.entries()) {
    const name = port.name ?? '';
    if (name === '' && ports.length > 1) {
      yield issue(['ports', i, 'name'], 'is missing; every port of a Service with several ports needs its own name');
    }
    const sameName = names.get(name);
    if (name !== '' && sameName !== undefined) {
      yield issue(['ports', i, 'name'], `${show(name)} is also the name of ports[${sameName}]; use another name`);
    }
    names.set(name, sameName ?? i);

    const key = `${port.port}/${port.protocol ?? 'TCP'}`;
    const same = numbers.get(key);
    if (same !== undefined) {
      yield issue(['ports', i], `${key} is also ports[${same}]; use another port or protocol, or remove one`);
    }
    numbers.set(key, same ?? i);
  }
}

function* nodePortRules(spec: ServiceSpec, range: PortRange): Generator<Issue> {
  const seen = new Map<string, number>();
  for (const [i, { nodePort, protocol }] of (spec.ports ?? []).entries()) {
    if (!nodePort) continue;
    if (spec.type === undefined || spec.type === 'ClusterIP') {
      yield issue(['ports', i, 'nodePort'], `is set on a ClusterIP Service; remove it, or use type NodePort`);
    }
    yield* rangeRule(['ports', i, 'nodePort'], nodePort, range);
    const key = `${nodePort}/${protocol ?? 'TCP'}`;
    const same = seen.get(key);
    if (same !== undefined) {
      yield issue(['ports', i, 'nodePort'], `${key} is also the node port of ports[${same}]; use another, or none`);
    }
    seen.set(key, same ?? i);
  }
  const health = spec.healthCheckNodePort;
  if (!health) return;
  yield* rangeRule(['healthCheckNodePort'], health, range);
  const same = (spec.ports ?? []).findIndex(({ nodePort }) => nodePort === health);
  if (same >= 0)
    yield issue(['healthCheckNodePort'], `${health} is the node port of ports[${same}]; use another, or none`);
}

function* rangeRule(path: (string | number)[], port: number, range: PortRange): Generator<Issue> {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535 && !inRange(port, range)) {
    yield issue(path, `${port} is not a node port; use ${rangeText(range)} or leave it out`);
  }
}

function* typeRules(spec: ServiceSpec): Generator<Issue> {
  const type = spec.type ?? 'ClusterIP';
  const headless = isHeadless(spec);
  if (type !== 'ExternalName' && !headless && (spec.ports ?? []).length === 0) {
    yield issue(['ports'], 'is missing; name at least one port, or make the Service headless by clusterIP: None');
  }
  if (headless && (type === 'NodePort' || type === 'LoadBalancer')) {
    yield issue(['clusterIP'], `${HEADLESS} does not go with type ${type}; use type ClusterIP, or leave clusterIP out`);
  }
  if (type === 'LoadBalancer') return;
  if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
    yield issue(['loadBalancerSourceRanges'], `does not go with type ${type}; remove it, or use type LoadBalancer`);
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined) {
    yield issue(
      ['allocateLoadBalancerNodePorts'],
      `does not go with type ${type}; remove it, or use type LoadBalancer`,
    );
  }
}

function* externalNameRules(spec: ServiceSpec): Generator<Issue> {
  if (spec.type !== 'ExternalName') return;
  const name = spec.externalName ?? '';
  if (name === '') {
    yield issue(['externalName'], 'is missing; write the DNS name that the Service stands for');
  } else if (typeof name === 'string' && !isDnsSubdomain(name.replace(/\.$/, ''))) {
    yield issue(['externalName'], `${show(name)} is not a DNS name; write it like db.example.com`);
  }
  const forbidden = ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const;
  for (const field of forbidden) {
    if ((spec[field] ?? '').length > 0) yield issue([field], 'does not go with type ExternalName; remove it');
  }
}

function* trafficRules(spec: ServiceSpec): Generator<Issue> {
  const outside = spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.externalIPs ?? []).length > 0;
  if (spec.externalTrafficPolicy !== undefined && !outside) {
    yield issue(
      ['externalTrafficPolicy'],
      'is set, but nothing reaches this Service from outside; remove it, or use type NodePort or LoadBalancer',
    );
  }
  const checked = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  if (spec.healthCheckNodePort && !checked) {
    yield issue(
      ['healthCheckNodePort'],
      'needs type LoadBalancer and externalTrafficPolicy Local; remove it, or set these',
    );
  }
  if (spec.sessionAffinityConfig !== undefined && spec.sessionAffinity !== 'ClientIP') {
    yield issue(['sessionAffinityConfig'], 'is set without affinity; remove it, or use sessionAffinity: ClientIP');
  }
}

function addressOf(value: unknown) {
  return typeof value === 'string' ? parseAddress(value) : undefined;
}

function hasSelector(spec: ServiceSpec): boolean {
  return Object.keys(spec.selector ?? {}).length > 0;
}
