// SPDX-License-Identifier: Apache-2.0
// Hints for zones and nodes. This node is node1, in zone-a; the other is node2, in zone-b. Data; rule.ts has the form.

import { ZONE_LABEL } from '../cast.ts';
import type { BackendName, EndpointGiven, Topic } from '../rule.ts';
import { DRAINING, NOT_READY } from './conditions.ts';

interface Hints {
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

/** A ready endpoint with hints. */
function hinted(at: BackendName, { zones, nodes }: Hints, conditions: object = { ready: true }): EndpointGiven {
  const named = (names: readonly string[]): { name: string }[] => names.map((name) => ({ name }));
  return {
    at,
    conditions,
    hints: {
      ...(zones === undefined ? {} : { forZones: named(zones) }),
      ...(nodes === undefined ? {} : { forNodes: named(nodes) }),
    },
  };
}

const HERE = { zones: ['zone-a'] } as const;
const THERE = { zones: ['zone-b'] } as const;

export const TOPOLOGY: Topic = {
  title: 'Hints',
  text: 'Hints of ready endpoints keep traffic in the zone or on the node. They are all or nothing, and mean nothing to the local list or to endpoints that terminate.',
  rules: [
    {
      title: 'When every ready endpoint has a hint for zones, those for the zone of this node take all',
      reference: '1.4',
      given: {
        endpoints: [hinted('near1', HERE), hinted('near2', THERE), hinted('far1', HERE), hinted('far2', THERE)],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'host', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
        { from: 'pod', to: 'LoadBalancer', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'One ready endpoint without a hint switches them off',
      reference: '1.4',
      given: { endpoints: [hinted('near1', HERE), hinted('far1', THERE), 'far2'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1', 'far2'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1', 'far2'] },
      ],
    },
    {
      title: 'Hints that name no zone are no hints',
      reference: '1.4',
      given: { endpoints: [hinted('near1', HERE), hinted('far1', { zones: [] })] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'When no hint is for the zone of this node, all take part',
      reference: '1.4',
      given: { endpoints: [hinted('near1', THERE), hinted('far1', { zones: ['zone-c'] })] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'An endpoint may have hints for several zones',
      reference: '1.4',
      given: {
        endpoints: [hinted('near1', { zones: ['zone-b', 'zone-a'] }), hinted('far1', THERE), hinted('far2', HERE)],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far2'] }],
    },
    {
      title: 'The zone that an endpoint is in does not matter, only the zones that it is for',
      reference: '1.3',
      given: {
        endpoints: [
          { at: 'near1', zone: 'zone-a', hints: { forZones: [{ name: 'zone-b' }] } },
          { at: 'far1', zone: 'zone-b', hints: { forZones: [{ name: 'zone-a' }] } },
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['far1'] }],
    },
    {
      title: 'A zone without hints means nothing',
      reference: '1.3',
      given: {
        endpoints: [
          { at: 'near1', zone: 'zone-a' },
          { at: 'far1', zone: 'zone-b' },
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'When every ready endpoint has a hint for nodes, those for this node take all',
      reference: '1.4',
      given: { endpoints: [hinted('near1', { nodes: ['node2'] }), hinted('far1', { nodes: ['node1'] })] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['far1'] },
      ],
    },
    {
      title: 'Hints for nodes come before hints for zones',
      reference: '1.4',
      given: {
        endpoints: [
          hinted('near1', { nodes: ['node1'], zones: ['zone-b'] }),
          hinted('far1', { nodes: ['node2'], zones: ['zone-a'] }),
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'When no hint is for this node, those for its zone count',
      reference: '1.4',
      given: {
        endpoints: [
          hinted('near1', { nodes: ['node3'], zones: ['zone-b'] }),
          hinted('far1', { nodes: ['node2'], zones: ['zone-a'] }),
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['far1'] }],
    },
    {
      title: 'One ready endpoint without a hint for nodes leaves those for zones',
      reference: '1.4',
      given: {
        endpoints: [
          hinted('near1', { nodes: ['node1'], zones: ['zone-b'] }),
          hinted('far1', { zones: ['zone-a'] }),
          hinted('far2', { nodes: ['node2'], zones: ['zone-b'] }),
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['far1'] }],
    },
    {
      title: 'Hints for nodes that are for no node here, without zones, leave all',
      reference: '1.4',
      given: { endpoints: [hinted('near1', { nodes: ['node2'] }), hinted('far1', { nodes: ['node2'] })] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'Endpoints that are not ready have no say',
      reference: '1.4',
      given: {
        endpoints: [
          hinted('near1', HERE),
          hinted('far1', THERE),
          { at: 'near2', conditions: NOT_READY },
          { at: 'far2', conditions: DRAINING },
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'When the endpoints for this zone only drain, the ready ones of all zones take over',
      reference: '1.4',
      given: { endpoints: [hinted('near1', HERE, DRAINING), hinted('far1', THERE)] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['far1'] },
      ],
    },
    {
      title: 'Among endpoints that drain hints mean nothing',
      reference: '1.4',
      given: { endpoints: [hinted('near1', HERE, DRAINING), hinted('far1', THERE, DRAINING)] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'Hints mean nothing to internalTrafficPolicy Local',
      reference: '1.4',
      given: {
        spec: { internalTrafficPolicy: 'Local' },
        endpoints: [hinted('near1', THERE), hinted('near2', HERE), hinted('far1', HERE)],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'near2'] }],
    },
    {
      title: 'Hints mean nothing to externalTrafficPolicy Local from outside, but to its short-circuit',
      reference: '1.4, 1.6',
      given: {
        spec: { externalTrafficPolicy: 'Local' },
        endpoints: [hinted('near1', THERE), hinted('near2', HERE), hinted('far1', HERE)],
      },
      seen: [
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'near2'] },
        { from: 'host', to: 'NodePort', reaches: ['near2', 'far1'] },
      ],
    },
    {
      title: 'The label of this node is followed while it changes; a node without zone uses no hints for zones',
      reference: '1.4, 1.8',
      given: { endpoints: [hinted('near1', HERE), hinted('far1', THERE)] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
      steps: [
        {
          when: 'the node moves to zone-b',
          node: { [ZONE_LABEL]: 'zone-b' },
          seen: [
            { from: 'pod', to: 'ClusterIP', reaches: ['far1'] },
            { from: 'outside', to: 'NodePort', reaches: ['far1'] },
          ],
        },
        { when: 'the label goes', node: {}, seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }] },
        {
          when: 'the label comes back',
          node: { [ZONE_LABEL]: 'zone-a' },
          seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
        },
      ],
    },
    {
      title: 'Hints that come and go are followed',
      reference: '1.4',
      given: { endpoints: ['near1', 'far1'] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
      steps: [
        {
          when: 'both get hints',
          given: { endpoints: [hinted('near1', HERE), hinted('far1', THERE)] },
          seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
        },
        {
          when: 'one loses its hint',
          given: { endpoints: [hinted('near1', HERE), 'far1'] },
          seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
        },
      ],
    },
    {
      title: 'trafficDistribution and its annotation mean nothing to a proxy: only hints do',
      reference: '1.2',
      given: {
        spec: { trafficDistribution: 'PreferClose' },
        annotations: { 'service.kubernetes.io/topology-mode': 'Auto' },
        endpoints: ['near1', 'far1'],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
  ],
};
