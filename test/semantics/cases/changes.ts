// SPDX-License-Identifier: Apache-2.0
// Changes of living Services, and what becomes of connections. Data; rule.ts has the form.

import type { Held, PortGiven, Rule, Sight, Topic } from '../rule.ts';
import { DRAINING, NOT_READY } from './conditions.ts';

const HTTP: PortGiven = { name: 'http', port: 80 };
const ADMIN: PortGiven = { name: 'admin', port: 81, endpointPort: 8081 };

const CLIENTS = ['pod', 'host', 'outside'] as const;

const usual = (from: (typeof CLIENTS)[number]): 'ClusterIP' | 'NodePort' =>
  from === 'outside' ? 'NodePort' : 'ClusterIP';

/** TCP connections of everybody, through the address that each usually asks. */
function hold(...reaches: NonNullable<Sight['reaches']>): Sight[] {
  return CLIENTS.map((from) => ({ from, to: usual(from), transports: ['TCP'], reaches, holds: from }));
}

const ALL_GO_ON = CLIENTS.map((held) => ({ held }));

function everybody(...reaches: NonNullable<Sight['reaches']>): Sight[] {
  return CLIENTS.map((from) => ({ from, to: usual(from), reaches }));
}

const RULES: readonly Rule[] = [
  {
    title: 'A port is added and removed; what is connected through it goes on',
    reference: '1.2',
    given: { ports: [HTTP], endpoints: ['near1'] },
    seen: [
      { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1'] },
      { from: 'pod', to: { at: 'ClusterIP', port: 81 }, transports: ['TCP'], gets: 'refused' },
    ],
    steps: [
      {
        when: 'a port is added',
        given: { ports: [HTTP, ADMIN] },
        seen: [
          { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1'] },
          { from: 'pod', to: { at: 'ClusterIP', port: 'admin' }, reaches: ['near1:8081'], holds: 'pod' },
          { from: 'outside', to: { at: 'NodePort', port: 'admin' }, reaches: ['near1:8081'], holds: 'outside' },
        ],
      },
      {
        when: 'it is removed',
        given: { ports: [HTTP] },
        seen: [
          { from: 'pod', to: { at: 'ClusterIP', port: 81 }, transports: ['TCP'], gets: 'refused' },
          { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1'] },
          { held: 'pod' },
          { held: 'outside' },
        ],
      },
    ],
  },
  {
    title: 'A port that changes its number moves',
    reference: '1.2',
    given: { ports: [{ name: 'http', port: 80 }], endpoints: ['near1'] },
    seen: [
      { from: 'pod', to: { at: 'ClusterIP', port: 80 }, transports: ['TCP'], reaches: ['near1'], holds: 'before' },
    ],
    steps: [
      {
        when: '80 becomes 82',
        given: { ports: [{ name: 'http', port: 82 }] },
        seen: [
          { from: 'pod', to: { at: 'ClusterIP', port: 82 }, transports: ['TCP'], reaches: ['near1'] },
          { from: 'pod', to: { at: 'ClusterIP', port: 80 }, transports: ['TCP'], gets: 'refused' },
          { held: 'before' },
        ],
      },
    ],
  },
  {
    title: 'TCP and UDP on one number come and go by themselves',
    reference: '1.2',
    given: { endpoints: ['near1', 'far1'] },
    seen: [
      { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
      { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
    ],
    steps: [
      {
        when: 'only TCP is left',
        given: { ports: [{ name: 'http', port: 80 }] },
        seen: [
          { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', transports: ['TCP'], reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', transports: ['UDP'], gets: 'untouched' },
        ],
      },
      {
        when: 'only UDP is left',
        given: { ports: [{ name: 'dgram', protocol: 'UDP', port: 80 }] },
        seen: [
          { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', transports: ['UDP'], reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', transports: ['TCP'], gets: 'untouched' },
        ],
      },
    ],
  },
  {
    title: 'A ClusterIP becomes a NodePort and back',
    reference: '1.2',
    given: { type: 'ClusterIP', endpoints: ['near1', 'far1'] },
    seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    steps: [
      {
        when: 'type NodePort',
        given: { type: 'NodePort' },
        seen: [
          { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', transports: ['TCP'], reaches: ['near1', 'far1'], holds: 'before' },
        ],
      },
      {
        when: 'type LoadBalancer',
        given: { type: 'LoadBalancer' },
        seen: [
          { from: 'outside', to: 'LoadBalancer', reaches: ['near1', 'far1'] },
          { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
        ],
      },
      {
        when: 'type ClusterIP again',
        given: { type: 'ClusterIP' },
        seen: [
          { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
          { from: 'outside', to: { address: 'host', port: 'NodePort' }, gets: 'untouched' },
          { held: 'before' },
        ],
      },
    ],
  },
  {
    title: 'ExternalName takes every address away, and another type gives them back',
    reference: '1.2',
    given: { type: 'NodePort', endpoints: ['near1'] },
    seen: [...hold('near1'), ...everybody('near1')],
    steps: [
      {
        when: 'type ExternalName',
        given: {
          type: 'ExternalName',
          spec: {
            externalName: 'example.com',
            clusterIP: null,
            clusterIPs: null,
            ipFamilies: null,
            ipFamilyPolicy: null,
          },
        },
        seen: [
          { from: 'pod', to: 'ClusterIP', gets: 'refused' },
          { from: 'outside', to: { address: 'host', port: 'NodePort' }, gets: 'untouched' },
          ...ALL_GO_ON,
        ],
      },
      {
        when: 'type NodePort again',
        given: { type: 'NodePort', spec: {} },
        seen: [...everybody('near1'), ...ALL_GO_ON],
      },
    ],
  },
  {
    title: 'A Service that is deleted leaves its connections alone; one of the same name has its own endpoints',
    reference: '2.1',
    given: { endpoints: ['near1', 'far1'] },
    seen: hold('near1', 'far1'),
    steps: [
      {
        when: 'it is deleted',
        given: null,
        seen: [
          { from: 'pod', to: 'ClusterIP', gets: 'refused' },
          { from: 'host', to: 'ClusterIP', gets: 'refused' },
          { from: 'outside', to: 'NodePort', gets: 'untouched' },
          ...ALL_GO_ON,
        ],
      },
      {
        when: 'one of the same name and address comes',
        given: { endpoints: ['far2'] },
        seen: [...everybody('far2'), ...ALL_GO_ON],
      },
    ],
  },
  {
    title: 'Established connections outlive their endpoint',
    reference: '2.1',
    given: { endpoints: ['near1'] },
    seen: hold('near1'),
    steps: [
      {
        when: 'it drains',
        given: { endpoints: [{ at: 'near1', conditions: DRAINING }, 'far1'] },
        seen: [...everybody('far1'), ...ALL_GO_ON],
      },
      {
        when: 'it is not ready',
        given: { endpoints: [{ at: 'near1', conditions: NOT_READY }, 'far1'] },
        seen: [...everybody('far1'), ...ALL_GO_ON],
      },
      { when: 'it has gone', given: { endpoints: ['far1'] }, seen: [...everybody('far1'), ...ALL_GO_ON] },
      {
        when: 'all have gone',
        given: { endpoints: [] },
        seen: [...CLIENTS.map((from): Sight => ({ from, to: usual(from), gets: 'refused' })), ...ALL_GO_ON],
      },
    ],
  },
  {
    title: 'From no endpoint to one and back is followed at once',
    reference: '2.2',
    given: { endpoints: [] },
    seen: CLIENTS.map((from) => ({ from, to: usual(from), gets: 'refused' })),
    steps: [
      { when: 'one comes', given: { endpoints: ['far1'] }, seen: everybody('far1') },
      {
        when: 'it goes',
        given: { endpoints: [] },
        seen: CLIENTS.map((from) => ({ from, to: usual(from), gets: 'refused' })),
      },
      { when: 'another comes', given: { endpoints: ['near1'] }, seen: everybody('near1') },
    ],
  },
  {
    title: 'An endpoint that changes its number is another endpoint',
    reference: '1.2',
    given: { ports: [{ name: 'http', port: 80, endpointPort: 8080 }], endpoints: ['near1'] },
    seen: hold('near1'),
    steps: [
      {
        when: '8080 becomes 8081',
        given: { ports: [{ name: 'http', port: 80, endpointPort: 8081 }] },
        seen: [...everybody('near1:8081'), ...ALL_GO_ON],
      },
    ],
  },
  {
    title: 'externalTrafficPolicy is switched; what is connected goes on',
    reference: '1.6, 2.1',
    given: { spec: { externalTrafficPolicy: 'Cluster' }, endpoints: ['far1'] },
    seen: [
      { from: 'outside', to: 'NodePort', reaches: ['far1'] },
      { from: 'outside', to: 'NodePort', transports: ['TCP'], reaches: ['far1'], holds: 'before' },
    ],
    steps: [
      {
        when: 'Local',
        given: { spec: { externalTrafficPolicy: 'Local' } },
        seen: [
          { from: 'outside', to: 'NodePort', gets: 'dropped' },
          { from: 'pod', to: 'NodePort', reaches: ['far1'] },
          { held: 'before' },
        ],
      },
      {
        when: 'an endpoint comes to this node',
        given: { endpoints: ['near1', 'far1'] },
        seen: [{ from: 'outside', to: 'NodePort', reaches: ['near1'], source: 'own' }, { held: 'before' }],
      },
      {
        when: 'Cluster again',
        given: { spec: { externalTrafficPolicy: 'Cluster' } },
        seen: [{ from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] }, { held: 'before' }],
      },
    ],
  },
  {
    title: 'internalTrafficPolicy is switched; what is connected goes on',
    reference: '1.2, 2.1',
    given: { endpoints: ['far1'] },
    seen: [{ from: 'pod', to: 'ClusterIP', transports: ['TCP'], reaches: ['far1'], holds: 'before' }],
    steps: [
      {
        when: 'Local',
        given: { spec: { internalTrafficPolicy: 'Local' } },
        seen: [{ from: 'pod', to: 'ClusterIP', gets: 'dropped' }, { held: 'before' }],
      },
      {
        when: 'Cluster again',
        given: { spec: { internalTrafficPolicy: 'Cluster' } },
        seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['far1'] }, { held: 'before' }],
      },
    ],
  },
  {
    title: 'A NodePort that changes its number moves',
    reference: '1.2',
    given: {
      type: 'NodePort',
      ports: [{ name: 'http', port: 80, nodePort: 32_750 }],
      endpoints: ['near1'],
    },
    seen: [
      { from: 'outside', to: { address: 'host', port: 32_750 }, transports: ['TCP'], reaches: ['near1'] },
      {
        from: 'outside',
        to: { address: 'host', port: 32_750 },
        transports: ['TCP'],
        reaches: ['near1'],
        holds: 'before',
      },
    ],
    steps: [
      {
        when: '32750 becomes 32751',
        given: { ports: [{ name: 'http', port: 80, nodePort: 32_751 }] },
        seen: [
          { from: 'outside', to: { address: 'host', port: 32_751 }, transports: ['TCP'], reaches: ['near1'] },
          { from: 'outside', to: { address: 'host', port: 32_750 }, transports: ['TCP'], gets: 'untouched' },
          { held: 'before' },
        ],
      },
    ],
  },
  {
    title: "A load balancer's address comes, is left to the load balancer, and goes",
    reference: '1.2',
    given: {
      type: 'LoadBalancer',
      ports: [
        { name: 'http', port: 'own' },
        { name: 'dgram', protocol: 'UDP', port: 'own' },
      ],
      status: { loadBalancer: {} },
      endpoints: ['near1'],
    },
    seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['outside'] }],
    steps: [
      {
        when: 'the address comes',
        given: { status: { loadBalancer: { ingress: [{ ip: '{outside.v4}' }, { ip: '{outside.v6}' }] } } },
        seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['near1'] }],
      },
      {
        when: 'ipMode becomes Proxy',
        given: {
          status: {
            loadBalancer: {
              ingress: [
                { ip: '{outside.v4}', ipMode: 'Proxy' },
                { ip: '{outside.v6}', ipMode: 'Proxy' },
              ],
            },
          },
        },
        seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['outside'] }],
      },
      {
        when: 'ipMode becomes VIP',
        given: {
          status: {
            loadBalancer: {
              ingress: [
                { ip: '{outside.v4}', ipMode: 'VIP' },
                { ip: '{outside.v6}', ipMode: 'VIP' },
              ],
            },
          },
        },
        seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['near1'] }],
      },
      {
        when: 'the address goes',
        given: { status: { loadBalancer: {} } },
        seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['outside'] }],
      },
    ],
  },
  {
    title: 'A Service is given to another proxy, and taken back',
    reference: '1.1',
    kubeProxy: 'The label makes it go from the watch, and come back.',
    given: {
      ports: [
        { name: 'http', port: 'own' },
        { name: 'dgram', protocol: 'UDP', port: 'own' },
      ],
      spec: { externalIPs: ['{outside.v4}', '{outside.v6}'] },
      endpoints: ['near1'],
    },
    seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['near1'] }],
    steps: [
      {
        when: 'the label comes',
        given: { labels: { 'service.kubernetes.io/service-proxy-name': 'somebody' } },
        seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['outside'] }],
      },
      {
        when: 'the label goes',
        given: { labels: {} },
        seen: [{ from: 'pod', to: { address: 'outside', port: 'own' }, reaches: ['near1'] }],
      },
    ],
  },
  {
    title: 'Of two Services with the same endpoints one is deleted, and the other does not notice',
    reference: '6.2',
    given: { endpoints: ['near1', 'far1'] },
    others: { second: { endpoints: ['near1', 'far1'] } },
    seen: [
      { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
      { from: 'pod', to: { at: 'ClusterIP', of: 'second' }, reaches: ['near1', 'far1'] },
      { from: 'pod', to: 'ClusterIP', transports: ['TCP'], reaches: ['near1', 'far1'], holds: 'first' },
      {
        from: 'pod',
        to: { at: 'ClusterIP', of: 'second' },
        transports: ['TCP'],
        reaches: ['near1', 'far1'],
        holds: 'second',
      },
    ],
    steps: [
      {
        when: 'the second is deleted',
        others: { second: null },
        seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }, { held: 'first' }, { held: 'second' }],
      },
    ],
  },
  {
    title: 'An address passes from one Service to another',
    reference: '2.1',
    given: { spec: { externalIPs: ['{second.v4}', '{second.v6}'] }, endpoints: ['near1'] },
    others: { heir: { endpoints: ['far1'] } },
    seen: [
      { from: 'outside', to: { address: 'second', port: 80 }, reaches: ['near1'] },
      { from: 'pod', to: { at: 'ClusterIP', of: 'heir' }, reaches: ['far1'] },
    ],
    steps: [
      {
        when: 'the other claims it',
        given: { spec: {} },
        others: { heir: { spec: { externalIPs: ['{second.v4}', '{second.v6}'] } } },
        seen: [
          { from: 'outside', to: { address: 'second', port: 80 }, reaches: ['far1'] },
          { from: 'pod', to: { address: 'second', port: 80 }, reaches: ['far1'] },
        ],
      },
    ],
  },
];

export const CHANGES: Topic = {
  title: 'Changes of living Services',
  text: 'What changes counts for new connections. Established ones are never looked at again: TCP goes on whatever becomes of endpoint, policy or Service.',
  rules: RULES,
};

/** UDP over connected sockets with a source port of their own, as DNS resolvers and QUIC have them. */
function holdUdp(...reaches: NonNullable<Sight['reaches']>): Sight[] {
  return CLIENTS.map((from) => ({ from, to: usual(from), transports: ['UDP'], reaches, holds: from }));
}

function allMove(...reaches: NonNullable<Sight['reaches']>): Held[] {
  return CLIENTS.map((held) => ({ held, reaches }));
}

export const UDP: Topic = {
  title: 'UDP towards an endpoint that no longer serves',
  text: 'UDP has no end. A sender whose endpoint no longer serves is led to another within the same sync; one whose endpoint still serves is left alone.',
  rules: [
    {
      title: 'Senders whose endpoint has gone are moved, without noticing',
      reference: '2.7',
      kubeProxy: 'Deletes the conntrack entry: the next datagram goes elsewhere.',
      given: { endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        {
          when: 'another takes its place',
          given: { endpoints: ['far1'] },
          seen: [...allMove('far1'), ...everybody('far1')],
        },
      ],
    },
    {
      title: 'Senders whose endpoint no longer serves are moved',
      reference: '2.7',
      given: { endpoints: ['far1'] },
      seen: holdUdp('far1'),
      steps: [
        {
          when: 'it is not ready, another is',
          given: { endpoints: [{ at: 'far1', conditions: NOT_READY }, 'near1'] },
          seen: allMove('near1'),
        },
      ],
    },
    {
      title: 'Senders whose endpoint drains and still serves are left alone',
      reference: '2.7',
      given: { endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        {
          when: 'it drains, another is ready',
          given: { endpoints: [{ at: 'near1', conditions: DRAINING }, 'far1'] },
          seen: [...ALL_GO_ON, ...everybody('far1')],
        },
        { when: 'it has gone', given: { endpoints: ['far1'] }, seen: allMove('far1') },
      ],
    },
    {
      title: 'Senders of other endpoints are left alone',
      reference: '2.7',
      given: { endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        { when: 'another comes', given: { endpoints: ['near1', 'far1'] }, seen: ALL_GO_ON },
        { when: 'it goes', given: { endpoints: ['near1'] }, seen: ALL_GO_ON },
      ],
    },
    {
      title: 'Policies do not move senders whose endpoint serves',
      reference: '2.7, 9',
      given: { endpoints: ['far1'] },
      seen: holdUdp('far1'),
      steps: [
        {
          when: 'both policies become Local',
          given: { spec: { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } },
          seen: ALL_GO_ON,
        },
      ],
    },
    {
      title: 'Senders to a Service that has lost all endpoints are moved when one returns',
      reference: '2.7',
      kubeProxy: 'Until 1.36 leaves them to the endpoint that has gone, for ever; from 1.37 on cleans up.',
      bpfsvc: 'Moves them.',
      why: 'Senders that wait for no answer have been seen to be lost for hours.',
      given: { endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        { when: 'it goes', given: { endpoints: [] }, seen: [] },
        { when: 'another comes', given: { endpoints: ['far1'] }, seen: allMove('far1') },
      ],
    },
    {
      title: 'Senders who were refused reach an endpoint once there is one',
      reference: '2.7',
      kubeProxy: 'Deletes entries from before there was an endpoint.',
      given: { endpoints: [] },
      seen: [{ from: 'outside', to: 'NodePort', transports: ['UDP'], gets: 'refused', holds: 'outside' }],
      steps: [
        { when: 'one comes', given: { endpoints: ['far1'] }, seen: [{ held: 'outside', reaches: ['far1'] }] },
        { when: 'it goes', given: { endpoints: [] }, seen: [] },
        { when: 'another comes', given: { endpoints: ['near1'] }, seen: [{ held: 'outside', reaches: ['near1'] }] },
      ],
    },
    {
      title: 'Senders to a Service that was deleted are moved when it is made anew',
      reference: '2.7',
      kubeProxy: 'Leaves them alone; fixed after 1.37.',
      bpfsvc: 'Moves them.',
      given: { endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        { when: 'it is deleted', given: null, seen: [] },
        { when: 'it is made anew', given: { endpoints: ['far1'] }, seen: allMove('far1') },
      ],
    },
    {
      title: 'Senders whose endpoint has changed its number are moved',
      reference: '2.7',
      given: { ports: [{ name: 'dgram', protocol: 'UDP', port: 80, endpointPort: 8080 }], endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        {
          when: '8080 becomes 8081',
          given: { ports: [{ name: 'dgram', protocol: 'UDP', port: 80, endpointPort: 8081 }] },
          seen: allMove('near1:8081'),
        },
      ],
    },
    {
      title: 'Senders are moved although the agent was dead when their endpoint went',
      reference: '2.7',
      kubeProxy: 'At its start everything counts as changed.',
      given: { endpoints: ['near1'] },
      seen: holdUdp('near1'),
      steps: [
        {
          when: 'another takes the place while the agent is dead',
          restart: true,
          given: { endpoints: ['far1'] },
          seen: allMove('far1'),
        },
      ],
    },
  ],
};
