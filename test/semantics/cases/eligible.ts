// SPDX-License-Identifier: Apache-2.0
// Which endpoints of a slice are backends. Data; rule.ts has the form.

import type { Topic } from '../rule.ts';

const NOT_READY = { ready: false, serving: false, terminating: false };
const DRAINING = { ready: false, serving: true, terminating: true };
const GONE = { ready: false, serving: false, terminating: true };

export const ELIGIBLE: Topic = {
  title: 'Eligible backends',
  text: 'Conditions of endpoints decide who may be chosen. What is said of them is said for each port and family by itself.',
  rules: [
    {
      title: 'Ready endpoints take new connections, on whatever node they are',
      reference: '1.4',
      kubeProxy: 'Uniformly random among them.',
      given: { endpoints: ['near1', 'near2', 'far1', 'far2'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'near2', 'far1', 'far2'] },
        { from: 'host', to: 'ClusterIP', reaches: ['near1', 'near2', 'far1', 'far2'] },
      ],
    },
    {
      title: 'An endpoint that is not ready takes none',
      reference: '1.4',
      given: {
        endpoints: ['near1', { at: 'near2', conditions: NOT_READY }, 'far1', { at: 'far2', conditions: NOT_READY }],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'host', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'A Service whose endpoints are not ready, not serving, refuses',
      reference: '1.4, 2.2',
      given: {
        endpoints: [
          { at: 'near1', conditions: NOT_READY },
          { at: 'far1', conditions: GONE },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', gets: 'refused' },
        { from: 'host', to: 'ClusterIP', gets: 'refused' },
        { from: 'outside', to: 'NodePort', gets: 'refused' },
      ],
    },
    {
      title: 'When none is ready, those that are serving and terminating take over',
      reference: '1.4',
      given: {
        endpoints: [
          { at: 'near1', conditions: DRAINING },
          { at: 'far1', conditions: DRAINING },
          { at: 'far2', conditions: GONE },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
  ],
};
