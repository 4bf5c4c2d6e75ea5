// SPDX-License-Identifier: Apache-2.0
// Each rule for EndpointSlices, Endpoints and Nodes with an input that breaks it, and the message.

import { describe, expect, it } from 'vitest';
import type { Fields } from './build.ts';
import { complaints, endpoints, load, node, service, slice } from './build.ts';

const ADDRESS = 'write it like 192.0.2.10 or 2001:db8::10';
const REACHABLE = 'use an address that other hosts can reach';
const SUBDOMAIN =
  "use at most 253 lower-case letters, digits, '-' and '.', each part with a letter or digit at both ends";

const backend = (...addresses: unknown[]) => ({ endpoints: [{ addresses }] });
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

describe('an EndpointSlice is refused because', () => {
  it.each<[string, Fields, string]>([
    ['it has no addressType', { addressType: undefined }, 'addressType: is missing; use IPv4, IPv6 or FQDN'],
    ['its addressType is unknown', { addressType: 'IP' }, 'addressType: "IP" is not known; use IPv4, IPv6 or FQDN'],
    ['an address is none', backend('192.0.2'), `endpoints[0].addresses[0]: "192.0.2" is not an IP address; ${ADDRESS}`],
    [
      'an address has leading zeros',
      backend('192.0.2.010'),
      `endpoints[0].addresses[0]: "192.0.2.010" is ambiguous, some read it in other ways than 192.0.2.10; ${ADDRESS}`,
    ],
    [
      'an address is of the other family',
      backend('192.0.2.1', '2001:db8::1'),
      'endpoints[0].addresses[1]: 2001:db8::1 is IPv6 in a slice of addressType IPv4; make a slice for each family',
    ],
    [
      'an address is unspecified',
      backend('0.0.0.0'),
      `endpoints[0].addresses[0]: 0.0.0.0 is the unspecified address (0.0.0.0/32); ${REACHABLE}`,
    ],
    [
      'an address is loopback',
      backend('127.0.0.1'),
      `endpoints[0].addresses[0]: 127.0.0.1 is a loopback address (127.0.0.0/8); ${REACHABLE}`,
    ],
    [
      'an address is link-local',
      backend('169.254.169.254'),
      `endpoints[0].addresses[0]: 169.254.169.254 is a link-local address (169.254.0.0/16); ${REACHABLE}`,
    ],
    [
      'an address is multicast',
      { ...backend('ff02::1'), addressType: 'IPv6' },
      `endpoints[0].addresses[0]: ff02::1 is a multicast address (ff00::/8); ${REACHABLE}`,
    ],
    [
      'an address is broadcast',
      backend('255.255.255.255'),
      `endpoints[0].addresses[0]: 255.255.255.255 is the broadcast address (255.255.255.255/32); ${REACHABLE}`,
    ],
    [
      'an address is a number',
      backend(5),
      'endpoints[0].addresses[0]: 5 is a number where a text belongs, put it in quotes; write a text',
    ],
    ['an endpoint has no address', backend(), 'endpoints[0].addresses: has 0 addresses; use 1..100'],
    [
      'an endpoint has too many addresses',
      backend(...many(101, (i) => `192.0.2.${i}`)),
      'endpoints[0].addresses: has 101 addresses; use 1..100',
    ],
    ['an endpoint lists nothing', { endpoints: [{}] }, 'endpoints[0].addresses: is missing; write a list'],
    [
      'it has too many endpoints',
      { endpoints: many(1001, (i) => ({ addresses: [`10.0.${i >> 8}.${i & 255}`] })) },
      'endpoints: has 1001 endpoints; use at most 1000 in one slice',
    ],
    [
      'it has too many ports',
      { ports: many(101, (i) => ({ name: `p${i}`, port: i + 1 })) },
      'ports: has 101 ports; use at most 100',
    ],
    [
      'two ports have one name',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      'ports[1].name: "a" is also the name of ports[0]; use another name',
    ],
    [
      'two ports have no name',
      { ports: [{ port: 1 }, { port: 2 }] },
      'ports[1].name: is missing; give each port its own name',
    ],
    ['a port is none', { ports: [{ port: 0 }] }, 'ports[0].port: 0 is not a port number; use 1..65535'],
    [
      'a protocol is unknown',
      { ports: [{ port: 1, protocol: 'HTTP' }] },
      'ports[0].protocol: "HTTP" is not known; use TCP, UDP or SCTP',
    ],
    [
      'a condition is a word',
      { endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: 'maybe' } }] },
      'endpoints[0].conditions.ready: "maybe" is not a boolean; use true or false',
    ],
    [
      'a node name is none',
      { endpoints: [{ addresses: ['192.0.2.1'], nodeName: 'Node_A' }] },
      `endpoints[0].nodeName: "Node_A" is not a DNS name; ${SUBDOMAIN}`,
    ],
    [
      'a hint is no object',
      { endpoints: [{ addresses: ['192.0.2.1'], hints: { forZones: ['a'] } }] },
      `endpoints[0].hints.forZones[0]: "a" is not a mapping; write fields as 'name: value'`,
    ],
    ['its name is none', { metadata: { name: 'a..b' } }, `metadata.name: "a..b" is not a DNS name; ${SUBDOMAIN}`],
  ])('%s', (_, fields, expected) => {
    expect(complaints(slice('web', fields))).toEqual([expected]);
  });

  it('an address is a Service of ours', () => {
    const problems = load(service('a', { clusterIP: '10.96.0.1' }), slice('b', backend('10.96.0.1'))).problems;
    expect(problems.map(({ object, line, message }) => [object, line, message])).toEqual([
      [
        'EndpointSlice default/b-1',
        10,
        '10.96.0.1 is the address of Service default/a; list the addresses of its backends instead',
      ],
    ]);
  });
});

describe('an EndpointSlice is accepted', () => {
  it.each<[string, Fields]>([
    ['with nulls as the API server writes them', { ports: null, endpoints: null }],
    ['with one port without a name', { ports: [{ port: 1 }, { name: 'a', port: 2 }] }],
    ['with names instead of addresses', { addressType: 'FQDN', endpoints: [{ addresses: ['db.example.com'] }] }],
    ['with a name of several parts', { metadata: { name: 'web.example-1' } }],
    ['with a port that means every port', { ports: [{ name: 'a' }] }],
  ])('%s', (_, fields) => {
    expect(complaints(slice('web', fields))).toEqual([]);
  });
});

describe('an Endpoints object is refused because', () => {
  const ports = [{ port: 8080 }];

  it.each<[string, Fields, string]>([
    [
      'a subset has no address',
      { ports },
      'subsets[0]: has no address; list addresses or notReadyAddresses, or remove the subset',
    ],
    [
      'an address is none',
      { addresses: [{ ip: 'x' }], ports },
      `subsets[0].addresses[0].ip: "x" is not an IP address; ${ADDRESS}`,
    ],
    [
      'an address is loopback',
      { notReadyAddresses: [{ ip: '::1' }], ports },
      `subsets[0].notReadyAddresses[0].ip: ::1 is a loopback address (::1/128); ${REACHABLE}`,
    ],
    [
      'an address is a text',
      { addresses: ['192.0.2.1'], ports },
      `subsets[0].addresses[0]: "192.0.2.1" is not a mapping; write fields as 'name: value'`,
    ],
    [
      'a port is none',
      { addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 65536 }] },
      'subsets[0].ports[0].port: 65536 is not a port number; use 1..65535',
    ],
    [
      'one of several ports has no name',
      { addresses: [{ ip: '192.0.2.1' }], ports: [{ name: 'a', port: 1 }, { port: 2 }] },
      'subsets[0].ports[1].name: is missing; give each port its own name',
    ],
  ])('%s', (_, subset, expected) => {
    expect(complaints(endpoints('web', subset))).toEqual([expected]);
  });

  it('an address is a Service of ours', () => {
    const subset = { addresses: [{ ip: '10.96.0.1' }], ports };
    expect(complaints(service('a', { clusterIP: '10.96.0.1' }), endpoints('b', subset))).toEqual([
      '10.96.0.1 is the address of Service default/a; list the addresses of its backends instead',
    ]);
  });
});

describe('a Node is refused because', () => {
  it.each<[string, Fields, string]>([
    [
      'an address is none',
      { status: { addresses: [{ type: 'InternalIP', address: 'node-a' }] } },
      `status.addresses[0].address: "node-a" is not an IP address; ${ADDRESS}`,
    ],
    [
      'a pod prefix is none',
      { spec: { podCIDRs: ['10.244.0.0'] } },
      'spec.podCIDRs[0]: "10.244.0.0" is not a prefix; write it like 192.0.2.0/24 or 2001:db8::/64',
    ],
  ])('%s', (_, fields, expected) => {
    expect(complaints(node('a', fields))).toEqual([expected]);
  });

  it('its name is none', () => {
    expect(complaints(node('A'))).toEqual([`metadata.name: "A" is not a DNS name; ${SUBDOMAIN}`]);
  });

  it('never because of the name among its addresses', () => {
    expect(complaints(node('a', { status: { addresses: [{ type: 'Hostname', address: 'a' }] } }))).toEqual([]);
  });
});
