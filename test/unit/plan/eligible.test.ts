// SPDX-License-Identifier: Apache-2.0
// kube-proxy's CategorizeEndpoints as a table; node `here`, zone `a`.

import { describe, expect, test } from 'vitest';
import type { Endpoint, EndpointState } from '../../../src/model/types.ts';
import { eligibleEndpoints } from '../../../src/plan/eligible.ts';
import { endpoint } from '../../support/records.ts';

const here = { nodeName: 'here' };
const there = { nodeName: 'there' };
const draining = { ready: false, serving: true, terminating: true };
const dead = { ready: false, serving: false, terminating: false };

interface Case {
  readonly title: string;
  readonly given: readonly Partial<EndpointState>[];
  /** Indexes into given. */
  readonly cluster: readonly number[];
  readonly local: readonly number[];
  readonly anywhere?: boolean;
  readonly node?: { readonly name: string; readonly zone: string };
}

const cases: readonly Case[] = [
  { title: 'ready endpoints serve, the local ones locally', given: [here, there, dead], cluster: [0, 1], local: [0] },
  { title: 'nothing at all', given: [], cluster: [], local: [], anywhere: false },
  {
    title: 'only dead endpoints',
    given: [dead, { ...dead, terminating: true }],
    cluster: [],
    local: [],
    anywhere: false,
  },
  {
    title: 'a ready endpoint keeps draining ones out',
    given: [{ ...here, ...draining }, there],
    cluster: [1],
    local: [0],
  },
  {
    title: 'without a ready endpoint draining ones serve',
    given: [{ ...here, ...draining }, { ...there, ...draining }, dead],
    cluster: [0, 1],
    local: [0],
  },
  {
    title: 'the local fallback does not depend on the cluster list',
    given: [there, { ...here, ...draining }],
    cluster: [0],
    local: [1],
  },
  { title: 'an endpoint without a node is never local', given: [{}], cluster: [0], local: [] },
  {
    title: 'zone hints for this zone restrict the cluster list only',
    given: [
      { ...there, forZones: ['a'] },
      { ...here, forZones: ['b'] },
    ],
    cluster: [0],
    local: [1],
  },
  {
    title: 'one ready endpoint without a hint switches topology off',
    given: [{ forZones: ['a'] }, { forZones: ['b'] }, {}],
    cluster: [0, 1, 2],
    local: [],
  },
  {
    title: 'an endpoint that is not ready has no say in topology',
    given: [{ forZones: ['a'] }, { forZones: ['b'] }, draining],
    cluster: [0],
    local: [],
  },
  {
    title: 'no endpoint for this zone switches zones off',
    given: [{ forZones: ['b'] }, { forZones: ['c'] }],
    cluster: [0, 1],
    local: [],
  },
  {
    title: 'a node without a zone ignores zone hints',
    given: [{ forZones: ['a'] }, { forZones: ['b'] }],
    cluster: [0, 1],
    local: [],
    node: { name: 'here', zone: '' },
  },
  {
    title: 'node hints come before zone hints',
    given: [
      { forNodes: ['here'], forZones: ['b'] },
      { forNodes: ['there'], forZones: ['a'] },
    ],
    cluster: [0],
    local: [],
  },
  {
    title: 'without a node hint for this node, zone hints count',
    given: [
      { forNodes: ['there'], forZones: ['b'] },
      { forNodes: ['elsewhere'], forZones: ['a'] },
    ],
    cluster: [1],
    local: [],
  },
  {
    title: 'the draining fallback knows no topology',
    given: [
      { ...draining, forZones: ['b'] },
      { ...draining, forZones: ['a'] },
    ],
    cluster: [0, 1],
    local: [],
  },
];

describe('eligible endpoints', () => {
  test.each(cases)('$title', ({ given, cluster, local, anywhere = true, node = { name: 'here', zone: 'a' } }) => {
    const endpoints = given.map((extra, i) => endpoint(`10.0.0.${i}`, extra));
    const pick = (indexes: readonly number[]): (Endpoint | undefined)[] => indexes.map((i) => endpoints[i]);
    expect(eligibleEndpoints(endpoints, node)).toEqual({ cluster: pick(cluster), local: pick(local), anywhere });
  });
});
