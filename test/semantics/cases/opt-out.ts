// SPDX-License-Identifier: Apache-2.0
// A pod whose namespace opted out of the socket path, as one with a sidecar does: served by packets, like a pod whose
// sockets the host does not see. Data; rule.ts has the form.

import { USUAL } from '../environments.ts';
import type { Sight, Topic } from '../rule.ts';
import { NOT_READY } from './conditions.ts';

const ADDRESSES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'] as const;

function all(sight: Omit<Sight, 'from' | 'to'>): Sight[] {
  return ADDRESSES.map((to) => ({ from: 'pod', to, ...sight }));
}

export const OPT_OUT: Topic = {
  title: 'Opted-out namespaces',
  text: 'Here the pod has opted out: connect() is left alone, and its packets are translated at its device. Others notice nothing.',
  environment: { ...USUAL, arguments: ['--opt-out-netns', '{netns of pod}'] },
  rules: [
    {
      title: 'A pod that has opted out reaches Services by packets',
      reference: '2.1',
      given: { endpoints: ['near1', 'far1'] },
      seen: [
        ...all({ reaches: ['near1', 'far1'], source: 'own' }),
        { from: 'near1', to: 'ClusterIP', paths: ['socket'], reaches: ['near1', 'far1'] },
        { from: 'host', to: 'ClusterIP', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'It is refused where others are',
      reference: '2.2',
      given: { endpoints: [{ at: 'near1', conditions: NOT_READY }] },
      seen: [
        { from: 'pod', to: 'NodePort', transports: ['TCP'], gets: 'refused' },
        { from: 'host', to: 'ClusterIP', gets: 'refused' },
      ],
    },
    {
      title: 'It gets silence where packets do',
      reference: '2.2',
      given: { spec: { internalTrafficPolicy: 'Local' }, endpoints: ['far1'] },
      seen: [{ from: 'host', to: 'ClusterIP', gets: 'dropped' }],
    },
    {
      title: 'It is short-circuited past externalTrafficPolicy Local',
      reference: '1.6',
      given: { spec: { externalTrafficPolicy: 'Local' }, endpoints: ['near1', 'far1'] },
      seen: [{ from: 'pod', to: 'LoadBalancer', reaches: ['near1', 'far1'], source: 'own' }],
    },
  ],
};
