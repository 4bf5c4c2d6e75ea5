// SPDX-License-Identifier: Apache-2.0
// loadBalancerSourceRanges. Data; rule.ts has the form.

import type { Rule, Sight, Topic } from '../rule.ts';

const OUTSIDE = ['{outside.v4}/32', '{outside.v6}/128'];
const STRANGER = ['{stranger.v4}/32', '{stranger.v6}/128'];
const NEAR_PODS = ['{near pods.v4}', '{near pods.v6}'];
const HOST = ['{host.v4}/32', '{host.v6}/128'];

function ranges(...loadBalancerSourceRanges: string[]): { spec: Record<string, unknown> } {
  return { spec: { loadBalancerSourceRanges } };
}

const TO_VIP = { to: 'LoadBalancer' } as const;

const RULES: readonly Rule[] = [
  {
    title: "Who is in a range reaches the load balancer's address, everybody else gets silence",
    reference: '1.2, 2.1',
    given: { ...ranges(...OUTSIDE), endpoints: ['near1', 'far1'] },
    seen: [
      { from: 'outside', ...TO_VIP, reaches: ['near1', 'far1'] },
      { from: 'pod', ...TO_VIP, gets: 'dropped' },
      { from: 'host', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: 'A client from outside that is in no range gets silence',
    reference: '2.2',
    given: { ...ranges(...STRANGER), endpoints: ['near1', 'far1'] },
    seen: [{ from: 'outside', ...TO_VIP, gets: 'dropped' }],
  },
  {
    title: 'Pods are subject to source ranges by their own address',
    reference: '2.2',
    given: { ...ranges(...NEAR_PODS), endpoints: ['near1', 'far1'] },
    seen: [
      { from: 'pod', ...TO_VIP, reaches: ['near1', 'far1'] },
      { from: 'host', ...TO_VIP, gets: 'dropped' },
      { from: 'outside', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: "The host is subject to source ranges by the node's address",
    reference: '2.2',
    given: { ...ranges(...HOST), endpoints: ['near1', 'far1'] },
    seen: [
      { from: 'host', ...TO_VIP, reaches: ['near1', 'far1'] },
      { from: 'pod', ...TO_VIP, gets: 'dropped' },
      { from: 'outside', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: 'One pod may come in and its neighbour not',
    reference: '2.2',
    given: { ...ranges('{near1.v4}/32', '{near1.v6}/128'), endpoints: ['far1'] },
    seen: [
      { from: 'near1', ...TO_VIP, reaches: ['far1'] },
      { from: 'pod', ...TO_VIP, gets: 'shut out' },
    ],
  },
  {
    title: 'One of several ranges is enough',
    reference: '1.2',
    given: { ...ranges(...STRANGER, '{clients.v4}', '{clients.v6}'), endpoints: ['near1'] },
    seen: [
      { from: 'outside', ...TO_VIP, reaches: ['near1'] },
      { from: 'pod', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: 'Other addresses of the Service are open to everybody',
    reference: '1.2',
    given: { ...ranges(...STRANGER), type: 'LoadBalancer', endpoints: ['near1', 'far1'] },
    seen: (['ClusterIP', 'NodePort', 'ExternalIP'] as const).flatMap((to) =>
      (['pod', 'host', 'outside'] as const).map((from): Sight => ({ from, to, reaches: ['near1', 'far1'] })),
    ),
  },
  {
    title: 'A range of everything opens its family',
    reference: '1.2',
    given: { ...ranges(...STRANGER, '0.0.0.0/0'), endpoints: ['near1', 'far1'] },
    seen: (['pod', 'host', 'outside'] as const).flatMap((from): Sight[] => [
      { from, ...TO_VIP, families: [4], reaches: ['near1', 'far1'] },
      { from, ...TO_VIP, families: [6], gets: 'dropped' },
    ]),
  },
  {
    title: 'A family of which no range speaks is open',
    reference: '1.2, 9',
    given: { ...ranges('{stranger.v4}/32'), endpoints: ['near1', 'far1'] },
    seen: (['pod', 'host', 'outside'] as const).flatMap((from): Sight[] => [
      { from, ...TO_VIP, families: [4], gets: 'dropped' },
      { from, ...TO_VIP, families: [6], reaches: ['near1', 'far1'] },
    ]),
  },
  {
    title: 'Padding around a range means nothing',
    reference: '1.2',
    given: { ...ranges(' {outside.v4}/32 ', ' {outside.v6}/128\t'), endpoints: ['near1'] },
    seen: [
      { from: 'outside', ...TO_VIP, reaches: ['near1'] },
      { from: 'pod', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: 'Source ranges come before the refusal of a Service without endpoints',
    reference: '2.2',
    kubeProxy: 'nftables drops whoever is in no range; iptables rejects everybody.',
    bpfsvc: 'As nftables.',
    why: 'Who may not ask need not learn that nobody is there.',
    given: { ...ranges(...OUTSIDE), endpoints: [] },
    seen: [
      { from: 'outside', ...TO_VIP, gets: 'refused' },
      { from: 'pod', ...TO_VIP, gets: 'dropped' },
      { from: 'host', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: 'Source ranges come before the short-circuit of pods and host',
    reference: '1.6',
    given: { spec: { ...ranges(...OUTSIDE).spec, externalTrafficPolicy: 'Local' }, endpoints: ['near1', 'far1'] },
    seen: [
      { from: 'outside', ...TO_VIP, reaches: ['near1'], source: 'own' },
      { from: 'pod', ...TO_VIP, gets: 'dropped' },
      { from: 'host', ...TO_VIP, gets: 'dropped' },
      { from: 'pod', to: 'NodePort', reaches: ['near1', 'far1'] },
    ],
  },
  {
    title: 'The short-circuit comes after source ranges that let pods in',
    reference: '1.6',
    given: { spec: { ...ranges(...NEAR_PODS).spec, externalTrafficPolicy: 'Local' }, endpoints: ['far1'] },
    seen: [
      { from: 'pod', ...TO_VIP, reaches: ['far1'] },
      { from: 'outside', ...TO_VIP, gets: 'dropped' },
    ],
  },
  {
    title: 'The annotation of old means nothing',
    reference: '1.2',
    given: {
      annotations: { 'service.beta.kubernetes.io/load-balancer-source-ranges': '{stranger.v4}/32' },
      endpoints: ['near1', 'far1'],
    },
    seen: (['pod', 'outside'] as const).map((from) => ({ from, ...TO_VIP, reaches: ['near1', 'far1'] })),
  },
  {
    title: 'Ranges that change count for new connections, and leave old ones alone',
    reference: '2.1',
    given: { endpoints: ['near1', 'far1'] },
    seen: [
      { from: 'outside', ...TO_VIP, reaches: ['near1', 'far1'] },
      { from: 'outside', ...TO_VIP, transports: ['TCP'], reaches: ['near1', 'far1'], holds: 'before' },
    ],
    steps: [
      {
        when: 'ranges leave the client out',
        given: ranges(...STRANGER),
        seen: [
          { from: 'outside', ...TO_VIP, gets: 'dropped' },
          { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
          { held: 'before' },
        ],
      },
      {
        when: 'ranges take it in',
        given: ranges(...OUTSIDE),
        seen: [{ from: 'outside', ...TO_VIP, reaches: ['near1', 'far1'] }],
      },
      {
        when: 'there are none any more',
        given: { spec: {} },
        seen: (['outside', 'pod', 'host'] as const).map((from) => ({ from, ...TO_VIP, reaches: ['near1', 'far1'] })),
      },
    ],
  },
];

export const RANGES: Topic = {
  title: 'Source ranges',
  text: "loadBalancerSourceRanges filter who may ask a load balancer's address, by the address that the packet has: pods and the host like clients from outside.",
  rules: RULES,
};
