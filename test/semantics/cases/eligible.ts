// SPDX-License-Identifier: Apache-2.0
// Which endpoints may be chosen, by their conditions. Data; rule.ts has the form.

import type { Topic } from '../rule.ts';
import { DRAINING, GONE, NOT_READY } from './conditions.ts';

export const ELIGIBLE: Topic = {
  title: 'Eligible endpoints',
  text: 'Conditions of endpoints decide who may be chosen: ready ones; where none is ready, those that still serve while they terminate.',
  rules: [
    {
      title: 'Ready endpoints take new connections, on whatever node they are',
      reference: '1.4',
      kubeProxy: 'Uniformly random among them.',
      given: { endpoints: ['near1', 'near2', 'far1', 'far2'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'near2', 'far1', 'far2'] },
        { from: 'host', to: 'ClusterIP', reaches: ['near1', 'near2', 'far1', 'far2'] },
        { from: 'outside', to: 'ClusterIP', reaches: ['near1', 'near2', 'far1', 'far2'] },
      ],
    },
    {
      title: 'Every address of a Service leads to the same endpoints',
      reference: '1.2',
      given: { endpoints: ['near1', 'far1'] },
      seen: (['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'] as const).flatMap((to) =>
        (['pod', 'host', 'outside'] as const).map((from) => ({ from, to, reaches: ['near1', 'far1'] as const })),
      ),
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
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'A Service none of whose endpoints is ready or serving refuses',
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
      title: 'Conditions that are not said mean ready',
      reference: '1.3',
      given: { endpoints: [{ at: 'near1' }, { at: 'far1', conditions: {} }] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'An endpoint that terminates while another is ready takes none',
      reference: '1.4',
      given: { endpoints: ['near1', { at: 'near2', conditions: DRAINING }, { at: 'far1', conditions: DRAINING }] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1'] },
      ],
    },
    {
      title: 'When none is ready, those that serve while they terminate take over',
      reference: '1.4',
      given: {
        endpoints: [
          { at: 'near1', conditions: DRAINING },
          { at: 'far1', conditions: DRAINING },
          { at: 'near2', conditions: GONE },
          { at: 'far2', conditions: NOT_READY },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'host', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'Serving that is not said is true, also of an endpoint that is not ready',
      reference: '1.3',
      given: {
        endpoints: [
          { at: 'near1', conditions: { ready: false, terminating: true } },
          { at: 'far1', conditions: { ready: false, serving: false, terminating: true } },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1'] },
      ],
    },
    {
      title: 'An endpoint that serves without terminating, and is not ready, never takes over',
      reference: '1.4',
      given: { endpoints: [{ at: 'near1', conditions: { ready: false, serving: true, terminating: false } }] },
      seen: [
        { from: 'pod', to: 'ClusterIP', gets: 'refused' },
        { from: 'outside', to: 'NodePort', gets: 'refused' },
      ],
    },
    {
      title: 'Terminating that is not said is false: nobody takes over',
      reference: '1.3',
      given: { endpoints: [{ at: 'near1', conditions: { ready: false, serving: true } }] },
      seen: [{ from: 'pod', to: 'ClusterIP', gets: 'refused' }],
    },
    {
      title: 'An endpoint that is ready and terminates counts as ready',
      reference: '1.4',
      given: {
        endpoints: [
          { at: 'near1', conditions: { ready: true, serving: true, terminating: true } },
          { at: 'far1', conditions: DRAINING },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1'] },
      ],
    },
    {
      title: 'publishNotReadyAddresses means nothing to a proxy: the slices say ready or not',
      reference: '1.2',
      given: {
        spec: { publishNotReadyAddresses: true },
        endpoints: ['near1', { at: 'far1', conditions: NOT_READY }],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'A Service with an empty slice refuses',
      reference: '2.2',
      given: { endpoints: [] },
      seen: (['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'] as const).flatMap((to) =>
        (['pod', 'host', 'outside'] as const).map((from) => ({ from, to, gets: 'refused' as const })),
      ),
    },
    {
      title: 'A Service without slices refuses',
      reference: '2.2',
      given: { slices: [] },
      seen: [
        { from: 'pod', to: 'ClusterIP', gets: 'refused' },
        { from: 'host', to: 'NodePort', gets: 'refused' },
        { from: 'outside', to: 'NodePort', gets: 'refused' },
      ],
    },
    {
      title: 'Pods of the host network are endpoints like others',
      reference: '2.3, 10.2',
      kubeProxy: 'Clients from elsewhere keep their address towards a host-network endpoint on the node itself.',
      given: { endpoints: ['host1', 'host2'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['host1', 'host2'] },
        { from: 'host', to: 'ClusterIP', reaches: ['host1', 'host2'] },
        { from: 'outside', to: 'NodePort', reaches: ['host1', 'host2'] },
      ],
    },
  ],
};
