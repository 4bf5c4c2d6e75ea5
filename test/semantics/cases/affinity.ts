// SPDX-License-Identifier: Apache-2.0
// Session affinity. 'always the same' holds for all that is seen under one name: of one client, family and transport.
// Data; rule.ts has the form.

import type { BackendName, Given, Rule, Sight, Topic } from '../rule.ts';
import { DRAINING, NOT_READY } from './conditions.ts';

const CLIENT_IP = {
  sessionAffinity: 'ClientIP',
  sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
} as const;

const NONE = { sessionAffinity: 'None' } as const;

const ALL: readonly BackendName[] = ['near1', 'near2', 'far1', 'far2'];

const CLIENTS = ['pod', 'host', 'outside'] as const;

function given(endpoints: Given['endpoints'], spec: Given['spec'] = {}): Given {
  return { spec: { ...CLIENT_IP, ...spec }, ...(endpoints === undefined ? {} : { endpoints }) };
}

/** Every client at the address that it usually asks. */
function everybody(to: (from: (typeof CLIENTS)[number]) => Sight['to'], sight: Partial<Sight>): Sight[] {
  return CLIENTS.map((from) => ({ from, to: to(from), ...sight }));
}

const usual = (from: (typeof CLIENTS)[number]): Sight['to'] => (from === 'outside' ? 'NodePort' : 'ClusterIP');

const RULES: readonly Rule[] = [
  {
    title: 'A client stays with its endpoint',
    reference: '1.5',
    given: given(ALL),
    seen: everybody(usual, { reaches: ALL, sticks: 'one' }).map((sight) => ({ ...sight, sticks: sight.from })),
  },
  {
    title: 'All addresses of a port lead a client to the same endpoint',
    reference: '1.5',
    given: given(ALL),
    seen: CLIENTS.flatMap((from) =>
      (['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'] as const).map((to) => ({
        from,
        to,
        reaches: ALL,
        sticks: from,
      })),
    ),
  },
  {
    title: 'A client keeps its endpoint when others come',
    reference: '1.5',
    given: given(['near1']),
    seen: everybody(usual, { reaches: ['near1'] }),
    steps: [{ when: 'three others come', given: { endpoints: ALL }, seen: everybody(usual, { reaches: ['near1'] }) }],
  },
  {
    title: 'A client whose endpoint has left gets another, and stays with that when the first comes back',
    reference: '1.5',
    given: given(['near1']),
    seen: everybody(usual, { reaches: ['near1'] }),
    steps: [
      {
        when: 'the endpoint leaves, others come',
        given: { endpoints: ['near2', 'far1', 'far2'] },
        seen: CLIENTS.map((from) => ({ from, to: usual(from), reaches: ['near2', 'far1', 'far2'], sticks: from })),
      },
      {
        when: 'it comes back',
        given: { endpoints: ALL },
        seen: CLIENTS.map((from) => ({ from, to: usual(from), reaches: ALL, sticks: from })),
      },
    ],
  },
  {
    title: 'An endpoint that is not ready any more is left like one that has gone',
    reference: '1.5',
    given: given(['far1']),
    seen: everybody(usual, { reaches: ['far1'] }),
    steps: [
      {
        when: 'it drains, and another is ready',
        given: { endpoints: [{ at: 'far1', conditions: DRAINING }, 'near1'] },
        seen: everybody(usual, { reaches: ['near1'] }),
      },
      {
        when: 'both are ready',
        given: { endpoints: ['far1', 'near1'] },
        seen: everybody(usual, { reaches: ['near1'] }),
      },
      {
        when: 'the second is not ready',
        given: { endpoints: ['far1', { at: 'near1', conditions: NOT_READY }] },
        seen: everybody(usual, { reaches: ['far1'] }),
      },
    ],
  },
  {
    title: 'Affinity that is switched off lets new connections go anywhere; switched on again, they stay',
    reference: '1.5',
    given: given(ALL),
    seen: CLIENTS.map((from) => ({ from, to: usual(from), reaches: ALL, sticks: `${from} at first` })),
    steps: [
      { when: 'it is switched off', given: { spec: NONE }, seen: everybody(usual, { reaches: ALL }) },
      {
        when: 'it is switched on again',
        given: { spec: CLIENT_IP },
        seen: CLIENTS.map((from) => ({ from, to: usual(from), reaches: ALL, sticks: `${from} again` })),
      },
    ],
  },
  {
    title: 'Only endpoints of the list that is in use are kept',
    reference: '1.5, 1.6',
    given: given(['far1'], { externalTrafficPolicy: 'Local' }),
    seen: [
      { from: 'pod', to: 'NodePort', reaches: ['far1'] },
      { from: 'outside', to: 'NodePort', gets: 'dropped' },
    ],
    steps: [
      {
        when: 'an endpoint comes to this node',
        given: { endpoints: ['far1', 'near1'] },
        seen: [
          { from: 'pod', to: 'NodePort', reaches: ['far1'] },
          { from: 'outside', to: 'NodePort', reaches: ['near1'] },
        ],
      },
      {
        when: 'and a second one',
        given: { endpoints: ['far1', 'near1', 'near2'] },
        seen: [
          { from: 'pod', to: 'NodePort', reaches: ['far1'] },
          { from: 'outside', to: 'NodePort', reaches: ['near1'] },
        ],
      },
    ],
  },
  {
    title: 'A client that has been to an endpoint elsewhere is not kept from the local list',
    reference: '1.5',
    given: given(['far1'], { internalTrafficPolicy: 'Local' }),
    seen: [
      { from: 'pod', to: 'NodePort', reaches: ['far1'] },
      { from: 'pod', to: 'ClusterIP', gets: 'dropped' },
    ],
    steps: [
      {
        when: 'an endpoint comes to this node',
        given: { endpoints: ['far1', 'near1'] },
        seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
      },
    ],
  },
  {
    title: 'Affinity outlives the agent',
    reference: '1.5',
    given: given(['near1']),
    seen: everybody(usual, { reaches: ['near1'] }),
    steps: [
      { when: 'others come', given: { endpoints: ALL }, seen: everybody(usual, { reaches: ['near1'] }) },
      { when: 'the agent is killed and started again', restart: true, seen: everybody(usual, { reaches: ['near1'] }) },
    ],
  },
  {
    title: 'A Service that is deleted and made anew starts without memory of clients whose endpoint has gone',
    reference: '1.5',
    given: given(['near1']),
    seen: everybody(usual, { reaches: ['near1'] }),
    steps: [
      { when: 'it is deleted', given: null, seen: [{ from: 'outside', to: 'NodePort', gets: 'untouched' }] },
      {
        when: 'it is made anew with another endpoint',
        given: given(['far1']),
        seen: everybody(usual, { reaches: ['far1'] }),
      },
    ],
  },
  {
    title: 'Each port of a Service has its own memory',
    reference: '1.5',
    given: {
      spec: CLIENT_IP,
      ports: [
        { name: 'http', port: 80 },
        { name: 'admin', port: 81, endpointPort: 8081 },
      ],
      slices: [
        { endpoints: ['near1'], ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] },
        { endpoints: ['far1'], ports: [{ name: 'admin', port: 8081, protocol: 'TCP' }] },
      ],
    },
    seen: [
      { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1'] },
      { from: 'pod', to: { at: 'ClusterIP', port: 'admin' }, reaches: ['far1:8081'] },
    ],
    steps: [
      {
        when: 'both ports have both endpoints',
        given: {
          slices: [
            {
              endpoints: ['near1', 'far1'],
              ports: [
                { name: 'http', port: 8080, protocol: 'TCP' },
                { name: 'admin', port: 8081, protocol: 'TCP' },
              ],
            },
          ],
        },
        seen: [
          { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1'] },
          { from: 'pod', to: { at: 'ClusterIP', port: 'admin' }, reaches: ['far1:8081'] },
        ],
      },
    ],
  },
  {
    title: 'All clients on loopback are one',
    reference: '2.6',
    kubeProxy: 'Serves loopback with iptables over IPv4; from 1.37 on with nftables by a proxy for TCP.',
    given: given(ALL),
    seen: [
      { from: 'host', to: 'loopback', reaches: ALL, sticks: 'host' },
      { from: 'host', to: 'ClusterIP', reaches: ALL, sticks: 'host' },
    ],
  },
];

export const AFFINITY: Topic = {
  title: 'Session affinity',
  text: 'With sessionAffinity ClientIP a client keeps its endpoint until it has opened no connection for the timeout. A client is an address for packets, and a network namespace for sockets: the source address is not known yet when connect() is called, and no two pods share a namespace.',
  rules: RULES,
};
