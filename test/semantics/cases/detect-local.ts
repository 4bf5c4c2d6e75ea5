// SPDX-License-Identifier: Apache-2.0
// How pods of this node are told from clients elsewhere: detectLocalMode. What depends on it is the short-circuit of
// externalTrafficPolicy Local. Data; rule.ts has the form.

import type { Environment, Rule, Topic } from '../rule.ts';

const LOCAL = { spec: { externalTrafficPolicy: 'Local' }, endpoints: ['near1', 'far1'] } as const;

const EXTERNAL_ADDRESSES = ['NodePort', 'LoadBalancer', 'ExternalIP'] as const;

const HOST_IS_LOCAL: Rule = {
  title: 'The host is short-circuited by its own addresses, whatever the mode',
  reference: '1.6',
  given: LOCAL,
  seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'host', to, reaches: ['near1', 'far1'] })),
};

const PODS_ARE_LOCAL: Rule = {
  title: 'Pods of this node are short-circuited',
  reference: '1.6, 2.4',
  given: LOCAL,
  seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'pod', to, reaches: ['near1', 'far1'], source: 'own' })),
};

const PODS_ARE_FOREIGN: Rule = {
  title: 'Pods of this node are clients like those from outside',
  reference: '1.6, 2.4',
  given: LOCAL,
  seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'pod', to, reaches: ['near1'], source: 'own' })),
};

const NOTHING_HERE: Rule = {
  title: 'So they get silence where there is no endpoint on this node',
  reference: '1.6, 2.2',
  given: { ...LOCAL, endpoints: ['far1'] },
  seen: [
    { from: 'pod', to: 'LoadBalancer', gets: 'dropped' },
    { from: 'host', to: 'LoadBalancer', reaches: ['far1'] },
  ],
};

const FAR_PODS_ARE_FOREIGN: Rule = {
  title: "Another node's pods are clients like those from outside",
  reference: '1.6, 2.4',
  given: LOCAL,
  seen: [
    { from: 'far', to: 'NodePort', reaches: ['near1'], source: 'own' },
    { from: 'outside', to: 'NodePort', reaches: ['near1'], source: 'own' },
  ],
};

const SOURCES_KEPT: Rule = {
  title: 'Through a ClusterIP nobody is hidden whose answers come back',
  reference: '2.3',
  kubeProxy:
    'Without a detector masquerades nothing but a pod towards itself, and loses what comes from outside to another node.',
  bpfsvc: 'Hides clients from elsewhere towards other nodes, as always.',
  why: 'Losing the connection is no feature.',
  given: { endpoints: ['near1', 'far1'] },
  seen: [
    { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'], source: 'own' },
    { from: 'outside', to: 'ClusterIP', reaches: ['near1', 'far1'], source: 'node if far' },
  ],
};

function environment(kubeProxy: Environment['kubeProxy']): Environment {
  return kubeProxy === undefined ? {} : { kubeProxy };
}

export const DETECT_LOCAL: readonly Topic[] = [
  {
    title: 'Detection: no clusterCIDR',
    text: 'detectLocalMode ClusterCIDR without a CIDR: no pod is known to be of this node.',
    environment: environment({}),
    rules: [HOST_IS_LOCAL, PODS_ARE_FOREIGN, NOTHING_HERE, SOURCES_KEPT],
  },
  {
    title: 'Detection: clusterCIDR of one family',
    environment: environment({ clusterCIDR: '192.0.2.0/24' }),
    rules: [
      {
        title: 'A family without a CIDR knows no pods',
        reference: '2.4',
        given: LOCAL,
        seen: [
          { from: 'pod', to: 'LoadBalancer', families: [4], reaches: ['near1', 'far1'] },
          { from: 'pod', to: 'LoadBalancer', families: [6], reaches: ['near1'] },
        ],
      },
    ],
  },
  {
    title: 'Detection: clusterCIDR of other pods',
    environment: environment({ clusterCIDR: '198.51.100.0/24,2001:db8:c::/64' }),
    rules: [
      PODS_ARE_FOREIGN,
      {
        title: 'Whoever has an address of clusterCIDR counts as a pod of this node',
        reference: '2.4',
        kubeProxy: 'Does not masquerade towards another node either, so that answers get lost.',
        bpfsvc: 'Answers always come back: towards another node the address is hidden.',
        given: LOCAL,
        seen: [{ from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'], source: 'node if far' }],
      },
    ],
  },
  {
    title: 'Detection: NodeCIDR',
    text: "By the Node object's podCIDRs.",
    environment: environment({ detectLocalMode: 'NodeCIDR' }),
    rules: [HOST_IS_LOCAL, PODS_ARE_LOCAL, FAR_PODS_ARE_FOREIGN],
  },
  {
    title: 'Detection: InterfaceNamePrefix',
    text: 'By the device that a packet comes from. On the socket path a pod is whoever is not in the host network.',
    environment: environment({
      detectLocalMode: 'InterfaceNamePrefix',
      detectLocal: { interfaceNamePrefix: 'pod' },
    }),
    rules: [HOST_IS_LOCAL, PODS_ARE_LOCAL, FAR_PODS_ARE_FOREIGN],
  },
  {
    title: 'Detection: InterfaceNamePrefix of other devices',
    environment: environment({
      detectLocalMode: 'InterfaceNamePrefix',
      detectLocal: { interfaceNamePrefix: 'veth' },
    }),
    rules: [
      {
        title: 'A packet from another device is from no pod of this node',
        reference: '2.4',
        given: LOCAL,
        seen: [{ from: 'pod', to: 'LoadBalancer', paths: ['packet'], reaches: ['near1'], source: 'own' }],
      },
    ],
  },
  {
    title: 'Detection: BridgeInterface',
    text: 'By exactly one device. Here it is the one of a pod; on a real node, the bridge of all.',
    environment: environment({ detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'pod3' } }),
    rules: [
      HOST_IS_LOCAL,
      PODS_ARE_LOCAL,
      {
        title: 'A packet from another device than the bridge is from no pod of this node',
        reference: '2.4',
        given: { ...LOCAL, endpoints: ['near2', 'far1'] },
        seen: [{ from: 'near1', to: 'LoadBalancer', paths: ['packet'], reaches: ['near2'], source: 'own' }],
      },
    ],
  },
];
