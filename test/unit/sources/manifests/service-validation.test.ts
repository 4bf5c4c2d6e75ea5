// SPDX-License-Identifier: Apache-2.0
// Each rule for Services with an input that breaks it, and the whole message that its author gets to see.

import { describe, expect, it } from 'vitest';
import type { Fields } from './build.ts';
import { complaints, load, service } from './build.ts';

const LABEL = "use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends";
const ADDRESS = 'write it like 192.0.2.10 or 2001:db8::10';
const CLUSTER_IP = 'write it like 10.96.0.10 or fd00:96::10, None for a headless Service, or leave it out';
const REACHABLE = 'use an address that other hosts can reach';

function port(fields: Fields): Fields {
  return { ports: [{ port: 80, ...fields }] };
}

describe('a Service is refused because', () => {
  it.each<[string, Fields, string]>([
    ['a port is too large', port({ port: 70000 }), 'spec.ports[0].port: 70000 is not a port number; use 1..65535'],
    ['a port is zero', port({ port: 0 }), 'spec.ports[0].port: 0 is not a port number; use 1..65535'],
    ['a port is no integer', port({ port: 80.5 }), 'spec.ports[0].port: 80.5 is not a port number; use 1..65535'],
    ['a port is text', port({ port: '80' }), 'spec.ports[0].port: "80" is a text, not a port number; use 1..65535'],
    ['a port is missing', { ports: [{ name: 'a' }] }, 'spec.ports[0].port: is missing; use 1..65535'],
    [
      'a protocol is unknown',
      port({ protocol: 'tcp' }),
      'spec.ports[0].protocol: "tcp" is not known; use TCP, UDP or SCTP',
    ],
    ['a port name is none', port({ name: 'Web_1' }), `spec.ports[0].name: "Web_1" is not a port name; ${LABEL}`],
    [
      'a targetPort is too large',
      port({ targetPort: 65536 }),
      'spec.ports[0].targetPort: 65536 is neither a port number nor a port name; use 1..65535 or the name of a container port (at most 15 lower-case letters, digits and -)',
    ],
    [
      'a targetPort has a name without a letter',
      port({ targetPort: '80-80' }),
      'spec.ports[0].targetPort: "80-80" is neither a port number nor a port name; use 1..65535 or the name of a container port (at most 15 lower-case letters, digits and -)',
    ],
    [
      'one of several ports has no name',
      { ports: [{ name: 'a', port: 1 }, { port: 2 }] },
      'spec.ports[1].name: is missing; every port of a Service with several ports needs its own name',
    ],
    [
      'two ports have one name',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      'spec.ports[1].name: "a" is also the name of ports[0]; use another name',
    ],
    [
      'two ports have one number and protocol',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 1, protocol: 'TCP' },
        ],
      },
      'spec.ports[1]: 1/TCP is also ports[0]; use another port or protocol, or remove one',
    ],
    [
      'it has no port',
      { ports: [] },
      'spec.ports: is missing; name at least one port, or make the Service headless by clusterIP: None',
    ],
    [
      'its ports are no list',
      { ports: { port: 80 } },
      "spec.ports: a mapping is not a list; begin each item with '- '",
    ],
    ['a port is no mapping', { ports: [80] }, "spec.ports[0]: 80 is not a mapping; write fields as 'name: value'"],
    [
      'its type is unknown',
      { type: 'Nodeport' },
      'spec.type: "Nodeport" is not known; use ClusterIP, NodePort, LoadBalancer or ExternalName',
    ],
    [
      'its type is a number',
      { type: 1 },
      'spec.type: 1 is a number where a text belongs, put it in quotes; use ClusterIP, NodePort, LoadBalancer or ExternalName',
    ],
    [
      'a traffic policy is unknown',
      { internalTrafficPolicy: 'local' },
      'spec.internalTrafficPolicy: "local" is not known; use Cluster or Local',
    ],
    [
      'an external traffic policy is unknown',
      { type: 'NodePort', externalTrafficPolicy: 'Node' },
      'spec.externalTrafficPolicy: "Node" is not known; use Cluster or Local',
    ],
    [
      'an external traffic policy has nothing to rule',
      { externalTrafficPolicy: 'Local' },
      'spec.externalTrafficPolicy: is set, but nothing reaches this Service from outside; remove it, or use type NodePort or LoadBalancer',
    ],
    [
      'a traffic distribution is unknown',
      { trafficDistribution: 'Near' },
      'spec.trafficDistribution: "Near" is not known; use PreferClose, PreferSameZone or PreferSameNode',
    ],
    [
      'an affinity is unknown',
      { sessionAffinity: 'Cookie' },
      'spec.sessionAffinity: "Cookie" is not known; use None or ClientIP',
    ],
    [
      'an affinity lasts too long',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is out of range; use a number of 1..86400',
    ],
    [
      'an affinity lasts no time',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is out of range; use a number of 1..86400',
    ],
    [
      'an affinity lasts a text',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: '1h' } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: "1h" is not a number; use a number of 1..86400',
    ],
    [
      'it configures affinity without having it',
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
      'spec.sessionAffinityConfig: is set without affinity; remove it, or use sessionAffinity: ClientIP',
    ],
  ])('%s', (_, spec, expected) => {
    expect(complaints(service('web', spec))).toEqual([expected]);
  });
});

describe('the addresses of a Service are refused because', () => {
  it.each<[string, Fields, string]>([
    [
      'the cluster IP is none',
      { clusterIP: '10.96.0' },
      `spec.clusterIP: "10.96.0" is not an IP address; ${CLUSTER_IP}`,
    ],
    [
      'the cluster IP has leading zeros',
      { clusterIP: '10.96.0.010' },
      `spec.clusterIP: "10.96.0.010" is ambiguous, some read it in other ways than 10.96.0.10; ${CLUSTER_IP}`,
    ],
    [
      'the cluster IP is v4-mapped',
      { clusterIP: '::ffff:10.96.0.10' },
      `spec.clusterIP: "::ffff:10.96.0.10" is ambiguous, some read it in other ways than 10.96.0.10; ${CLUSTER_IP}`,
    ],
    [
      'clusterIP and clusterIPs differ',
      { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.2'] },
      'spec.clusterIP: "10.96.0.1" differs from clusterIPs[0], "10.96.0.2"; use one of them in both',
    ],
    [
      'None is not alone',
      { clusterIPs: ['None', '10.96.0.2'], ipFamilyPolicy: 'PreferDualStack' },
      'spec.clusterIPs: None stands beside other values; leave it alone or remove it',
    ],
    ['a cluster IP is empty', { clusterIPs: [''] }, 'spec.clusterIPs[0]: is empty; write an address or leave it out'],
    [
      'there are two cluster IPs of one family',
      { clusterIPs: ['10.96.0.1', '10.96.0.2'], ipFamilyPolicy: 'PreferDualStack' },
      'spec.clusterIPs: has two IPv4 addresses; use at most one of each family',
    ],
    [
      'there are three cluster IPs',
      { clusterIPs: ['10.96.0.1', 'fd00:96::1', '10.96.0.2'], ipFamilyPolicy: 'PreferDualStack' },
      'spec.clusterIPs: has 3 addresses; use at most one of each family',
    ],
    ['an IP family is unknown', { ipFamilies: ['ipv4'] }, 'spec.ipFamilies[0]: "ipv4" is not known; use IPv4 or IPv6'],
    [
      'an IP family is named twice',
      { ipFamilies: ['IPv4', 'IPv4'], ipFamilyPolicy: 'PreferDualStack' },
      'spec.ipFamilies: names a family twice; use IPv4, IPv6 or both',
    ],
    [
      'the cluster IP is not of its family',
      { clusterIP: '10.96.0.1', ipFamilies: ['IPv6'] },
      'spec.clusterIP: 10.96.0.1 is IPv4, ipFamilies[0] says IPv6; make them agree',
    ],
    [
      'the second cluster IP is not of its family',
      { clusterIPs: ['10.96.0.1', 'fd00:96::1'], ipFamilies: ['IPv4', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' },
      'spec.clusterIPs[1]: fd00:96::1 is IPv6, ipFamilies[1] says IPv4; make them agree',
    ],
    [
      'a policy is unknown',
      { ipFamilyPolicy: 'DualStack' },
      'spec.ipFamilyPolicy: "DualStack" is not known; use SingleStack, PreferDualStack or RequireDualStack',
    ],
    [
      'two addresses come without a policy',
      { clusterIPs: ['10.96.0.1', 'fd00:96::1'] },
      'spec.ipFamilyPolicy: is missing with two families; use PreferDualStack or RequireDualStack',
    ],
    [
      'two families come with SingleStack',
      { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'SingleStack' },
      'spec.ipFamilyPolicy: is SingleStack with two families; use PreferDualStack or RequireDualStack',
    ],
    [
      'an external IP is none',
      { externalIPs: ['203.0.113.256'] },
      `spec.externalIPs[0]: "203.0.113.256" is not an IP address; ${ADDRESS}`,
    ],
    [
      'an external IP is unspecified',
      { externalIPs: ['0.0.0.0'] },
      `spec.externalIPs[0]: 0.0.0.0 is the unspecified address (0.0.0.0/32); ${REACHABLE}`,
    ],
    [
      'an external IP is loopback',
      { externalIPs: ['::1'] },
      `spec.externalIPs[0]: ::1 is a loopback address (::1/128); ${REACHABLE}`,
    ],
    [
      'an external IP is link-local',
      { externalIPs: ['203.0.113.1', 'fe80::1'] },
      `spec.externalIPs[1]: fe80::1 is a link-local address (fe80::/10); ${REACHABLE}`,
    ],
    [
      'an external IP is multicast',
      { externalIPs: ['239.1.2.3'] },
      `spec.externalIPs[0]: 239.1.2.3 is a multicast address (224.0.0.0/4); ${REACHABLE}`,
    ],
    [
      'a source range is none',
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0'] },
      'spec.loadBalancerSourceRanges[0]: "198.51.100.0" is not a prefix; write it like 192.0.2.0/24 or 2001:db8::/64',
    ],
    [
      'a source range has bits beyond its length',
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.7/24'] },
      'spec.loadBalancerSourceRanges[0]: "198.51.100.7/24" is not exact, 198.51.100.0/24 would be; write it like 192.0.2.0/24 or 2001:db8::/64',
    ],
    [
      'source ranges have no load balancer',
      { loadBalancerSourceRanges: ['198.51.100.0/24'] },
      'spec.loadBalancerSourceRanges: does not go with type ClusterIP; remove it, or use type LoadBalancer',
    ],
  ])('%s', (_, spec, expected) => {
    expect(complaints(service('web', spec))).toContain(expected);
  });

  it('a load balancer address is none', () => {
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.300' }, { ip: '203.0.113.1', ipMode: 'vip' }] } };
    expect(complaints(service('web', { type: 'LoadBalancer' }, { status }))).toEqual(
      [
        'status.loadBalancer.ingress[1].ipMode: "vip" is not known; use VIP or Proxy',
        `status.loadBalancer.ingress[0].ip: "203.0.113.300" is not an IP address; ${ADDRESS}`,
      ].sort(),
    );
  });
});

describe('the node ports of a Service are refused because', () => {
  const nodePort = (type: string, nodePort: number, more: Fields = {}) => ({ type, ...port({ nodePort }), ...more });

  it.each<[string, Fields, string]>([
    [
      'one is outside the range',
      nodePort('NodePort', 8080),
      'spec.ports[0].nodePort: 8080 is not a node port; use 30000-32767 or leave it out',
    ],
    [
      'one is no port',
      nodePort('NodePort', 70000),
      'spec.ports[0].nodePort: 70000 is out of range; use a number of 0..65535',
    ],
    [
      'the type has none',
      nodePort('ClusterIP', 30080),
      'spec.ports[0].nodePort: is set on a ClusterIP Service; remove it, or use type NodePort',
    ],
    [
      'two ports of one protocol have the same',
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1, nodePort: 30001 },
          { name: 'b', port: 2, nodePort: 30001 },
        ],
      },
      'spec.ports[1].nodePort: 30001/TCP is also the node port of ports[0]; use another, or none',
    ],
    [
      'a health check port is outside the range',
      { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 80 },
      'spec.healthCheckNodePort: 80 is not a node port; use 30000-32767 or leave it out',
    ],
    [
      'a health check port has nothing to check',
      { type: 'LoadBalancer', healthCheckNodePort: 30001 },
      'spec.healthCheckNodePort: needs type LoadBalancer and externalTrafficPolicy Local; remove it, or set these',
    ],
    [
      'the health check port is a node port, too',
      nodePort('LoadBalancer', 30001, { externalTrafficPolicy: 'Local', healthCheckNodePort: 30001 }),
      'spec.healthCheckNodePort: 30001 is the node port of ports[0]; use another, or none',
    ],
    [
      'their allocation is switched without a load balancer',
      { type: 'NodePort', allocateLoadBalancerNodePorts: false },
      'spec.allocateLoadBalancerNodePorts: does not go with type NodePort; remove it, or use type LoadBalancer',
    ],
    [
      'their allocation is switched by a word',
      { type: 'LoadBalancer', allocateLoadBalancerNodePorts: 'never' },
      'spec.allocateLoadBalancerNodePorts: "never" is not a boolean; use true or false',
    ],
  ])('%s', (_, spec, expected) => {
    expect(complaints(service('web', spec))).toEqual([expected]);
  });
});

describe('a type is refused because', () => {
  it.each<[string, Fields, string]>([
    [
      'a NodePort Service is headless',
      { type: 'NodePort', clusterIP: 'None' },
      'spec.clusterIP: None does not go with type NodePort; use type ClusterIP, or leave clusterIP out',
    ],
    [
      'a LoadBalancer is headless',
      { type: 'LoadBalancer', clusterIPs: ['None'] },
      'spec.clusterIP: None does not go with type LoadBalancer; use type ClusterIP, or leave clusterIP out',
    ],
    [
      'an ExternalName has no name',
      { type: 'ExternalName' },
      'spec.externalName: is missing; write the DNS name that the Service stands for',
    ],
    [
      'an ExternalName is no name',
      { type: 'ExternalName', externalName: 'db_1' },
      'spec.externalName: "db_1" is not a DNS name; write it like db.example.com',
    ],
    [
      'an ExternalName has an address',
      { type: 'ExternalName', externalName: 'db.example.com', clusterIP: '10.96.0.1' },
      'spec.clusterIP: does not go with type ExternalName; remove it',
    ],
    [
      'an ExternalName has families',
      { type: 'ExternalName', externalName: 'db.example.com', ipFamilies: ['IPv4'] },
      'spec.ipFamilies: does not go with type ExternalName; remove it',
    ],
    [
      'an ExternalName has a family policy',
      { type: 'ExternalName', externalName: 'db.example.com', ipFamilyPolicy: 'SingleStack' },
      'spec.ipFamilyPolicy: does not go with type ExternalName; remove it',
    ],
  ])('%s', (_, spec, expected) => {
    expect(complaints(service('web', spec))).toEqual([expected]);
  });
});

describe('the metadata of a Service is refused because', () => {
  it.each<[string, unknown, string]>([
    ['it is missing', undefined, 'metadata: is missing; write a mapping'],
    ['the name is missing', {}, `metadata.name: is missing; ${LABEL}`],
    ['the name is no DNS label', { name: 'web.example' }, `metadata.name: "web.example" is not a DNS label; ${LABEL}`],
    [
      'the name is too long',
      { name: 'a'.repeat(64) },
      `metadata.name: "${'a'.repeat(56)}... is not a DNS label; ${LABEL}`,
    ],
    ['the name ends with a dash', { name: 'web-' }, `metadata.name: "web-" is not a DNS label; ${LABEL}`],
    [
      'the name is a number',
      { name: 5 },
      `metadata.name: 5 is a number where a text belongs, put it in quotes; ${LABEL}`,
    ],
    [
      'the namespace is no DNS label',
      { name: 'web', namespace: 'A' },
      `metadata.namespace: "A" is not a DNS label; ${LABEL}`,
    ],
    [
      'an annotation is a boolean',
      { name: 'web', annotations: { 'example.com/on': true } },
      'metadata.annotations["example.com/on"]: true is a boolean where a text belongs, put it in quotes; write a text',
    ],
    [
      'the labels are a list',
      { name: 'web', labels: [] },
      "metadata.labels: a list is not a mapping; write fields as 'name: value'",
    ],
  ])('%s', (_, metadata, expected) => {
    expect(complaints({ ...service('web'), metadata })).toEqual([expected]);
  });

  it('it has no spec', () => {
    expect(complaints({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } })).toEqual([
      'spec: is missing; write a mapping',
    ]);
  });
});

describe('a Service is accepted', () => {
  it.each<[string, Fields]>([
    [
      'with fields that nobody knows',
      { fieldOfTomorrow: { a: 1 }, ports: [{ port: 80, appProtocol: 'kubernetes.io/h2c' }] },
    ],
    ['with nulls for absent fields', { clusterIP: null, selector: null, sessionAffinityConfig: null }],
    [
      'with one number in two protocols',
      {
        ports: [
          { name: 'a', port: 53 },
          { name: 'b', port: 53, protocol: 'UDP' },
        ],
      },
    ],
    [
      'with one node port in two protocols',
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 53, nodePort: 30053 },
          { name: 'b', port: 53, protocol: 'UDP', nodePort: 30053 },
        ],
      },
    ],
    ['headless without ports', { clusterIP: 'None', ports: [] }],
    ['headless in two families without a policy', { clusterIP: 'None', ipFamilies: ['IPv4', 'IPv6'] }],
    ['as an ExternalName with a dot at the end', { type: 'ExternalName', externalName: 'db.example.com.', ports: [] }],
    ['with padded source ranges', { type: 'LoadBalancer', loadBalancerSourceRanges: [' 198.51.100.0/24 '] }],
    ["with YAML 1.1's booleans", { type: 'LoadBalancer', allocateLoadBalancerNodePorts: 'no' }],
    ['with an external policy for external IPs', { externalIPs: ['203.0.113.1'], externalTrafficPolicy: 'Local' }],
    ['with a name that begins with a digit, as since 1.36', {}],
  ])('%s', (_, spec) => {
    expect(complaints(service('1-web', spec))).toEqual([]);
  });
});

describe('several mistakes', () => {
  it('are told at once, in the order of lines', () => {
    const wrong = service('Web', {
      type: 'NodePort',
      clusterIP: 'x',
      ports: [
        { name: 'a', port: 0, nodePort: 1 },
        { name: 'a', port: 99999 },
      ],
    });
    expect(load(wrong).problems.map(({ line, field }) => `${String(line)} ${field ?? ''}`)).toEqual([
      '4 metadata.name',
      '8 spec.ports[0].port',
      '9 spec.ports[0].nodePort',
      '10 spec.ports[1].name',
      '11 spec.ports[1].port',
      '13 spec.clusterIP',
    ]);
  });
});
