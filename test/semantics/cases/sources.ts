// SPDX-License-Identifier: Apache-2.0
// Which address of the client a backend sees. Data; rule.ts has the form.

import { USUAL } from '../environments.ts';
import type { Sight, Topic } from '../rule.ts';

const WHY =
  'A source address is worth keeping. It is hidden only where answers would take another way home: towards another node.';

const EXTERNAL_ADDRESSES = ['NodePort', 'LoadBalancer', 'ExternalIP'] as const;

export const SOURCES: Topic = {
  title: 'Source addresses',
  text: 'Whose address a backend sees. Unless a rule says otherwise, bpfsvc shows clients of this node and pods by their own address, and clients from elsewhere by their own to backends on this node, by this node’s to others.',
  rules: [
    {
      title: 'A pod is seen by its own address through a ClusterIP',
      reference: '2.3',
      given: { endpoints: ['near1', 'far1', 'host2'] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1', 'host2'], source: 'own' }],
    },
    {
      title: "A process of the host is seen by the node's address",
      reference: '2.3',
      kubeProxy: 'Masquerades it.',
      given: { endpoints: ['near1', 'far1'] },
      seen: (['ClusterIP', ...EXTERNAL_ADDRESSES] as const).map((to) => ({
        from: 'host',
        to,
        reaches: ['near1', 'far1'],
        source: 'node',
      })),
    },
    {
      title: 'A pod is seen by its own address through the other addresses as well',
      reference: '2.3',
      kubeProxy: "Masquerades it where externalTrafficPolicy is Cluster: this node's address.",
      bpfsvc: 'Keeps it.',
      why: WHY,
      given: { endpoints: ['near1', 'far1'] },
      seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'pod', to, reaches: ['near1', 'far1'], source: 'own' })),
    },
    {
      title: 'A client from outside is seen by its own address on this node, and by this node’s on another',
      reference: '2.3',
      kubeProxy: "Masquerades it: this node's address everywhere.",
      bpfsvc: 'Keeps it towards backends on this node.',
      why: WHY,
      given: { endpoints: ['near1', 'far1', 'host1', 'host2'] },
      seen: (['ClusterIP', ...EXTERNAL_ADDRESSES] as const).map((to) => ({
        from: 'outside',
        to,
        reaches: ['near1', 'far1', 'host1', 'host2'],
        source: 'node if far',
      })),
    },
    {
      title: "So is a client of another node that asks this node's address",
      reference: '2.3',
      kubeProxy: "Masquerades it: this node's address everywhere.",
      bpfsvc: 'Keeps it towards backends on this node.',
      why: WHY,
      given: { endpoints: ['near1', 'far1'] },
      seen: (['far', 'far host'] as const).map((from) => ({
        from,
        to: 'NodePort',
        reaches: ['near1', 'far1'],
        source: 'node if far',
      })),
    },
    {
      title: 'A pod that asks the address of another node is seen as that node has it',
      reference: '2.3',
      given: { endpoints: ['near1', 'far1'] },
      seen: [
        { from: 'pod', to: 'far NodePort', reaches: ['near1', 'far1'], source: 'node if far' },
        { from: 'host', to: 'far NodePort', reaches: ['near1', 'far1'], source: 'node if far' },
      ],
    },
    {
      title: 'externalTrafficPolicy Local never hides a client',
      reference: '2.3',
      given: { spec: { externalTrafficPolicy: 'Local' }, endpoints: ['near1', 'host1', 'far1'] },
      seen: EXTERNAL_ADDRESSES.flatMap((to): Sight[] => [
        { from: 'outside', to, reaches: ['near1', 'host1'], source: 'own' },
        { from: 'pod', to, reaches: ['near1', 'host1', 'far1'], source: 'own' },
      ]),
    },
    {
      title: 'internalTrafficPolicy does not change what is hidden',
      reference: '2.3',
      given: { spec: { internalTrafficPolicy: 'Local' }, endpoints: ['near1', 'host1'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'host1'], source: 'own' },
        { from: 'outside', to: 'ClusterIP', reaches: ['near1', 'host1'], source: 'own' },
      ],
    },
    {
      title: 'A pod reaches itself through its Service',
      reference: '2.3',
      kubeProxy: "Masquerades it, so that the answer comes back: this node's address.",
      bpfsvc: 'By packets the same. A socket that is connected to its own address needs nothing of it.',
      why: 'A connection of a pod with itself does not leave the pod.',
      given: { endpoints: ['near1'] },
      seen: (['ClusterIP', ...EXTERNAL_ADDRESSES] as const).map((to) => ({
        from: 'near1',
        to,
        reaches: ['near1'],
        source: { socket: 'own', packet: 'node' },
      })),
    },
    {
      title: 'A pod that is a backend reaches the others by its own address',
      reference: '2.3',
      given: { endpoints: ['near2', 'far1'] },
      seen: [{ from: 'near1', to: 'ClusterIP', reaches: ['near2', 'far1'], source: 'own' }],
    },
    {
      title: 'A process of the host reaches itself through a Service',
      reference: '2.3',
      given: { endpoints: ['host1'] },
      seen: (['ClusterIP', ...EXTERNAL_ADDRESSES] as const).map((to) => ({ from: 'host', to, reaches: ['host1'] })),
    },
  ],
};

export const MASQUERADE_ALL: Topic = {
  title: 'masqueradeAll',
  text: 'With masqueradeAll, what goes to a ClusterIP is masqueraded, whoever asks.',
  environment: { ...USUAL, kubeProxy: { ...USUAL.kubeProxy, iptables: { masqueradeAll: true } } },
  rules: [
    {
      title: "With masqueradeAll everybody is seen by this node's address through a ClusterIP",
      reference: '2.3',
      given: { endpoints: ['near1', 'far1'] },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({
        from,
        to: 'ClusterIP',
        reaches: ['near1', 'far1'],
        source: 'node',
      })),
    },
    {
      title: 'masqueradeAll changes nothing for externalTrafficPolicy Local',
      reference: '2.3',
      given: { spec: { externalTrafficPolicy: 'Local' }, endpoints: ['near1', 'far1'] },
      seen: [
        { from: 'outside', to: 'NodePort', reaches: ['near1'], source: 'own' },
        { from: 'pod', to: 'LoadBalancer', reaches: ['near1', 'far1'], source: 'own' },
      ],
    },
    {
      title: 'masqueradeAll and a frontend without endpoints: refused as ever',
      reference: '2.2',
      given: { endpoints: [] },
      seen: [
        { from: 'pod', to: 'ClusterIP', gets: 'refused' },
        { from: 'host', to: 'ClusterIP', gets: 'refused' },
      ],
    },
  ],
};
