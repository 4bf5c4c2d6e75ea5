// SPDX-License-Identifier: Apache-2.0
// What is refused, what is dropped, and what is left alone. Data; rule.ts has the form.

import type { Sight, Topic } from '../rule.ts';

const TCP_ONLY = [{ name: 'http', port: 80 }] as const;

export const DENIALS: Topic = {
  title: 'Refused, dropped, left alone',
  text: 'kube-proxy rejects with ICMP port unreachable, also TCP. bpfsvc answers TCP with a reset, and fails connect() and sendmsg() at once: with ECONNREFUSED where kube-proxy rejects, with EHOSTUNREACH where it drops without a word.',
  rules: [
    {
      title: 'A port that a ClusterIP does not have is refused',
      reference: '2.2',
      kubeProxy: 'nftables rejects; iptables routes the packet like any other, typically to the default gateway.',
      bpfsvc: 'Refuses in every mode.',
      why: 'Nobody has ever wanted such a packet to leave the node.',
      given: { endpoints: ['near1'] },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({
        from,
        to: { at: 'ClusterIP', port: 81 },
        gets: 'refused',
      })),
    },
    {
      title: 'A protocol that a port of a ClusterIP does not have is refused',
      reference: '2.2',
      kubeProxy: 'nftables rejects; iptables routes the packet like any other.',
      given: { ports: TCP_ONLY, endpoints: ['near1'] },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({
        from,
        to: { at: 'ClusterIP', port: 80 },
        transports: ['UDP'],
        gets: 'refused',
      })),
    },
    {
      title: 'An address of the Service range that no Service has is refused',
      reference: '2.2',
      kubeProxy: 'nftables drops; iptables routes the packet like any other.',
      bpfsvc: 'Refuses in every mode.',
      why: 'Who asks a Service that was deleted should not wait for an answer.',
      given: { endpoints: [] },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({
        from,
        to: { address: 'unallocated', port: 80 },
        gets: 'refused',
      })),
    },
    {
      title: "Other ports of a load balancer's address are left alone",
      reference: '2.2',
      given: {
        type: 'LoadBalancer',
        ports: [{ name: 'http', port: 'own' }],
        status: { loadBalancer: { ingress: [{ ip: '{outside.v4}' }, { ip: '{outside.v6}' }] } },
        endpoints: ['near1'],
      },
      seen: (['pod', 'host'] as const).flatMap((from): Sight[] => [
        { from, to: { address: 'outside', port: 'own' }, transports: ['TCP'], reaches: ['near1'] },
        { from, to: { address: 'outside', port: 'own' }, transports: ['UDP'], reaches: ['outside'] },
        { from, to: { address: 'outside', port: 8081 }, reaches: ['outside:8081'] },
      ]),
    },
    {
      title: "A ClusterIP and a load balancer's address answer to ping",
      reference: '2.2',
      kubeProxy:
        'nftables rejects an echo request to a ClusterIP; iptables routes it away, as both do for a load balancer’s address.',
      bpfsvc: 'Answers where packets come in.',
      why: 'It is the first thing that people try.',
      given: { endpoints: ['near1'] },
      others: { empty: { endpoints: [] } },
      seen: (['pod', 'outside'] as const).flatMap((from): Sight[] => [
        { from, to: 'ClusterIP', gets: 'echo' },
        { from, to: 'LoadBalancer', gets: 'echo' },
        { from, to: { at: 'ClusterIP', of: 'empty' }, gets: 'echo' },
      ]),
    },
    {
      title: 'Nodes and pods answer to ping themselves',
      reference: '2.2',
      given: { endpoints: ['near1'] },
      seen: (['pod', 'outside'] as const).flatMap((from): Sight[] => [
        { from, to: 'NodePort', gets: 'echo' },
        { from, to: { address: 'near1', port: 8080 }, gets: 'echo' },
      ]),
    },
    {
      title: 'A NodePort of one protocol leaves the other alone',
      reference: '2.2',
      given: { ports: TCP_ONLY, endpoints: ['near1'] },
      seen: (['pod', 'host', 'outside'] as const).flatMap((from): Sight[] => [
        { from, to: 'NodePort', transports: ['TCP'], reaches: ['near1'] },
        { from, to: 'NodePort', transports: ['UDP'], gets: 'untouched' },
      ]),
    },
    {
      title: 'A port of the node that is no NodePort is left alone',
      reference: '2.2',
      given: { endpoints: ['near1'] },
      seen: (['pod', 'host', 'outside'] as const).flatMap((from): Sight[] => [
        { from, to: { address: 'host', port: 32_767 }, gets: 'untouched' },
        { from, to: { address: 'host', port: 8080 }, reaches: ['host1'] },
      ]),
    },
    {
      title: 'Backends themselves are left alone',
      reference: '2.1',
      given: { spec: { externalTrafficPolicy: 'Local' }, endpoints: [] },
      seen: [{ from: 'outside', to: { address: 'host', port: 8080 }, reaches: ['host1'], source: 'own' }],
    },
    {
      title: 'A connection to a backend itself is not taken for an earlier one through a Service from the same port',
      reference: '2.1',
      given: { endpoints: ['near1'] },
      seen: [
        { from: 'outside', to: 'NodePort', reaches: ['near1'], sourcePort: 9_001 },
        {
          from: 'outside',
          to: { address: 'near1', port: 8080 },
          reaches: ['near1'],
          source: 'own',
          sourcePort: 9_001,
        },
        { from: 'far', to: 'NodePort', reaches: ['near1'], sourcePort: 9_002 },
        {
          from: 'far',
          to: 'ClusterIP',
          reaches: ['near1'],
          source: 'own',
          sourcePort: 9_002,
        },
      ],
    },
    {
      title: 'A client of another node is refused by the node that it asks',
      reference: '2.2',
      given: { endpoints: [] },
      seen: [
        { from: 'far', to: 'NodePort', gets: 'refused' },
        { from: 'far host', to: 'NodePort', gets: 'refused' },
        { from: 'pod', to: 'far NodePort', gets: 'refused' },
        { from: 'host', to: 'far NodePort', gets: 'refused' },
      ],
    },
    {
      title: 'A client of another node gets silence where endpoints are elsewhere',
      reference: '1.6, 2.2',
      given: { spec: { externalTrafficPolicy: 'Local' }, endpoints: ['far1'] },
      seen: [{ from: 'far host', to: 'NodePort', gets: 'dropped' }],
    },
  ],
};
