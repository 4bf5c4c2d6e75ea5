// SPDX-License-Identifier: Apache-2.0
// internalTrafficPolicy and externalTrafficPolicy: which of the two lists, for whom. Data; rule.ts has the form.

import type { Sight, Topic } from '../rule.ts';
import { DRAINING, GONE, NOT_READY } from './conditions.ts';

const INTERNAL = { internalTrafficPolicy: 'Local' } as const;
const EXTERNAL = { externalTrafficPolicy: 'Local' } as const;

const EXTERNAL_ADDRESSES = ['NodePort', 'LoadBalancer', 'ExternalIP'] as const;

export const POLICIES: Topic = {
  title: 'Traffic policies',
  text: 'A Service has two lists of endpoints: the cluster list and the local list. Here pods are known by clusterCIDR.',
  rules: [
    {
      title: 'internalTrafficPolicy Local leads to endpoints on this node',
      reference: '1.2',
      given: { spec: INTERNAL, endpoints: ['near1', 'near2', 'far1'] },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({
        from,
        to: 'ClusterIP',
        reaches: ['near1', 'near2'],
      })),
    },
    {
      title: 'internalTrafficPolicy Local with endpoints on other nodes only drops',
      reference: '2.2',
      given: { spec: INTERNAL, endpoints: ['far1', 'far2'] },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({ from, to: 'ClusterIP', gets: 'dropped' })),
    },
    {
      title: 'internalTrafficPolicy Local without any usable endpoint refuses',
      reference: '2.2',
      given: {
        spec: INTERNAL,
        endpoints: [
          { at: 'near1', conditions: GONE },
          { at: 'far1', conditions: NOT_READY },
        ],
      },
      seen: (['pod', 'host', 'outside'] as const).map((from) => ({ from, to: 'ClusterIP', gets: 'refused' })),
    },
    {
      title: 'internalTrafficPolicy Local means nothing to the other addresses',
      reference: '1.2',
      given: { spec: INTERNAL, endpoints: ['near1', 'far1'] },
      seen: EXTERNAL_ADDRESSES.flatMap((to) =>
        (['pod', 'host', 'outside'] as const).map((from): Sight => ({ from, to, reaches: ['near1', 'far1'] })),
      ),
    },
    {
      title: 'The local list falls back to endpoints that drain by itself',
      reference: '1.4',
      given: {
        spec: INTERNAL,
        endpoints: [{ at: 'near1', conditions: DRAINING }, { at: 'near2', conditions: GONE }, 'far1'],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'pod', to: 'NodePort', reaches: ['far1'] },
      ],
    },
    {
      title: 'A ready endpoint on this node keeps those that drain out of the local list',
      reference: '1.4',
      given: { spec: INTERNAL, endpoints: ['near1', { at: 'near2', conditions: DRAINING }, 'far1'] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'When all endpoints drain, the local list has those of this node',
      reference: '1.4',
      given: {
        spec: INTERNAL,
        endpoints: [
          { at: 'near1', conditions: DRAINING },
          { at: 'far1', conditions: DRAINING },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'Endpoints that drain on other nodes still make the local list silent, not refusing',
      reference: '2.2',
      given: { spec: INTERNAL, endpoints: [{ at: 'far1', conditions: DRAINING }] },
      seen: [{ from: 'pod', to: 'ClusterIP', gets: 'dropped' }],
    },
    {
      title: 'An endpoint without nodeName is nowhere local',
      reference: '1.3',
      given: { spec: { ...INTERNAL, ...EXTERNAL }, endpoints: [{ at: 'near1', nodeName: null }] },
      seen: [
        { from: 'pod', to: 'ClusterIP', gets: 'dropped' },
        { from: 'outside', to: 'NodePort', gets: 'dropped' },
        { from: 'host', to: 'NodePort', reaches: ['near1'] },
      ],
    },
    {
      title:
        'externalTrafficPolicy Local leads clients from outside to endpoints on this node, and keeps their address',
      reference: '1.6, 2.3',
      given: { spec: EXTERNAL, endpoints: ['near1', 'near2', 'far1'] },
      seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'outside', to, reaches: ['near1', 'near2'], source: 'own' })),
    },
    {
      title: 'externalTrafficPolicy Local with endpoints on other nodes only drops what comes from outside',
      reference: '1.6, 2.2',
      given: { spec: EXTERNAL, endpoints: ['far1', 'far2'] },
      seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'outside', to, gets: 'dropped' })),
    },
    {
      title: 'externalTrafficPolicy Local without any usable endpoint refuses',
      reference: '1.6, 2.2',
      given: {
        spec: EXTERNAL,
        endpoints: [
          { at: 'near1', conditions: NOT_READY },
          { at: 'far1', conditions: GONE },
        ],
      },
      seen: EXTERNAL_ADDRESSES.flatMap((to) =>
        (['pod', 'host', 'outside'] as const).map((from): Sight => ({ from, to, gets: 'refused' })),
      ),
    },
    {
      title: 'Pods of this node have the cluster list all the same, and keep their address',
      reference: '1.6',
      given: { spec: EXTERNAL, endpoints: ['near1', 'far1'] },
      seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'pod', to, reaches: ['near1', 'far1'], source: 'own' })),
    },
    {
      title: 'So have processes of the host',
      reference: '1.6',
      kubeProxy: 'Masquerades them, which changes nothing that is seen.',
      given: { spec: EXTERNAL, endpoints: ['near1', 'far1'] },
      seen: EXTERNAL_ADDRESSES.map((to) => ({ from: 'host', to, reaches: ['near1', 'far1'] })),
    },
    {
      title: 'Pods and host reach endpoints elsewhere where clients from outside get silence',
      reference: '1.6, 2.2',
      given: { spec: EXTERNAL, endpoints: ['far1'] },
      seen: [
        ...EXTERNAL_ADDRESSES.flatMap((to) =>
          (['pod', 'host'] as const).map((from): Sight => ({ from, to, reaches: ['far1'] })),
        ),
        { from: 'outside', to: 'NodePort', gets: 'dropped' },
      ],
    },
    {
      title: 'The host of another node is a client from outside',
      reference: '1.6',
      given: { spec: EXTERNAL, endpoints: ['near1', 'far1'] },
      seen: [{ from: 'far host', to: 'NodePort', reaches: ['near1'], source: 'own' }],
    },
    {
      title: 'A pod of another node counts as one of this node, because clusterCIDR has its address',
      reference: '1.6, 2.4',
      kubeProxy:
        'Takes it for a local pod and does not masquerade, so that answers of endpoints on the pod’s own node come back untranslated and get lost.',
      bpfsvc: 'Answers always come back: towards another node the address is hidden.',
      why: 'The list is the one of the specification; losing the connection is no feature.',
      given: { spec: EXTERNAL, endpoints: ['near1', 'far1'] },
      seen: [{ from: 'far', to: 'NodePort', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'The short-circuit uses the cluster list also where internalTrafficPolicy is Local',
      reference: '1.6',
      given: { spec: { ...INTERNAL, ...EXTERNAL }, endpoints: ['near1', 'far1'] },
      seen: [
        { from: 'pod', to: 'NodePort', reaches: ['near1', 'far1'] },
        { from: 'host', to: 'LoadBalancer', reaches: ['near1', 'far1'] },
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1'], source: 'own' },
      ],
    },
    {
      title: 'externalTrafficPolicy means nothing to a ClusterIP',
      reference: '2.3',
      given: { spec: EXTERNAL, endpoints: ['near1', 'far1'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'host', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1'] },
      ],
    },
    {
      title: 'The local list of externalTrafficPolicy Local falls back by itself, too',
      reference: '1.4, 1.6',
      given: { spec: EXTERNAL, endpoints: [{ at: 'near1', conditions: DRAINING }, 'far1'] },
      seen: [
        { from: 'outside', to: 'NodePort', reaches: ['near1'], source: 'own' },
        { from: 'pod', to: 'NodePort', reaches: ['far1'] },
        { from: 'host', to: 'NodePort', reaches: ['far1'] },
      ],
    },
    {
      title: 'externalTrafficPolicy counts for a ClusterIP Service that has external IPs',
      reference: '1.2',
      given: { type: 'ClusterIP', spec: EXTERNAL, endpoints: ['near1', 'far1'] },
      seen: [
        { from: 'outside', to: 'ExternalIP', reaches: ['near1'], source: 'own' },
        { from: 'pod', to: 'ExternalIP', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'externalTrafficPolicy Cluster leads everybody to all',
      reference: '1.6',
      given: { spec: { externalTrafficPolicy: 'Cluster' }, endpoints: ['near1', 'far1'] },
      seen: EXTERNAL_ADDRESSES.flatMap((to) =>
        (['pod', 'host', 'outside', 'far host'] as const)
          .filter((from) => from !== 'far host' || to === 'NodePort')
          .map((from): Sight => ({ from, to, reaches: ['near1', 'far1'] })),
      ),
    },
  ],
};
