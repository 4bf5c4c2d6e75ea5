// SPDX-License-Identifier: Apache-2.0
// How slices join a Service, and what in them counts. Data; rule.ts has the form.

import type { Topic } from '../rule.ts';
import { DRAINING } from './conditions.ts';

const TCP = [{ name: 'http', port: 80 }] as const;

export const SLICES: Topic = {
  title: 'Slices',
  text: 'A slice belongs to the Service that its label names, in its own namespace. Its ports join those of the Service by name and protocol.',
  rules: [
    {
      title: 'All slices of a Service count',
      reference: '1.3',
      given: { slices: [{ endpoints: ['near1'] }, { endpoints: ['far1', 'far2'] }, { endpoints: [] }] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1', 'far2'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1', 'far2'] },
      ],
    },
    {
      title: 'One port name may have different numbers in different slices',
      reference: '1.2, 1.3',
      given: {
        ports: TCP,
        slices: [
          { endpoints: ['near1', 'far1'] },
          { endpoints: ['far2'], ports: [{ name: 'http', port: 8081, protocol: 'TCP' }] },
        ],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1', 'far2:8081'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1', 'far2:8081'] },
      ],
    },
    {
      title: 'One address may serve a port by two numbers',
      reference: '1.3',
      given: {
        ports: TCP,
        slices: [
          { endpoints: ['near1'] },
          { endpoints: ['near1'], ports: [{ name: 'http', port: 8081, protocol: 'TCP' }] },
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'near1:8081'] }],
    },
    {
      title: 'Ports join by name, not by number',
      reference: '1.1',
      given: {
        ports: TCP,
        slices: [{ endpoints: ['near1'], ports: [{ name: 'other', port: 80, protocol: 'TCP' }] }],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', gets: 'refused' },
        { from: 'outside', to: 'NodePort', gets: 'refused' },
      ],
    },
    {
      title: 'Ports join by protocol, too',
      reference: '1.1',
      given: {
        ports: TCP,
        slices: [{ endpoints: ['near1'], ports: [{ name: 'http', port: 8080, protocol: 'UDP' }] }],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', gets: 'refused' }],
    },
    {
      title: 'The empty name is a name',
      reference: '1.3',
      given: { ports: [{ name: '', port: 80 }], endpoints: ['near1', 'far1'] },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'A port without a number is none',
      reference: '1.3',
      given: { ports: TCP, slices: [{ endpoints: ['near1'], ports: [{ name: 'http' }] }] },
      seen: [{ from: 'pod', to: 'ClusterIP', gets: 'refused' }],
    },
    {
      title: 'A slice without ports has no endpoints',
      reference: '1.3',
      given: { slices: [{ endpoints: ['near1'], ports: [] }] },
      seen: [{ from: 'pod', to: 'ClusterIP', gets: 'refused' }],
    },
    {
      title: 'Each port of a Service has its own endpoints',
      reference: '1.1',
      given: {
        ports: [
          { name: 'http', port: 80 },
          { name: 'admin', port: 81 },
        ],
        slices: [
          { endpoints: ['near1'], ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] },
          { endpoints: ['far1'], ports: [{ name: 'admin', port: 8081, protocol: 'TCP' }] },
        ],
      },
      seen: [
        { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1'] },
        { from: 'pod', to: { at: 'ClusterIP', port: 'admin' }, reaches: ['far1:8081'] },
        { from: 'outside', to: { at: 'NodePort', port: 'http' }, reaches: ['near1'] },
        { from: 'outside', to: { at: 'NodePort', port: 'admin' }, reaches: ['far1:8081'] },
      ],
    },
    {
      title: 'Of several addresses of an endpoint the first counts',
      reference: '1.3',
      given: {
        families: [4],
        slices: [{ endpoints: ['near1'], addresses: ['{near2.v4}', '{far1.v4}'] }],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near2'] }],
    },
    {
      title: 'An endpoint that stands in two slices is one',
      reference: '1.3',
      given: { slices: [{ endpoints: ['near1', 'far1'] }, { endpoints: ['near1'] }] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title:
        'Of two entries for one endpoint that which runs counts, and not that which terminates, wherever it stands',
      reference: '1.3',
      given: { slices: [{ endpoints: ['near1'] }, { endpoints: [{ at: 'near1', conditions: DRAINING }, 'far1'] }] },
      others: {
        reversed: {
          slices: [{ endpoints: [{ at: 'near1', conditions: DRAINING }, 'far1'] }, { endpoints: ['near1'] }],
        },
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'pod', to: { at: 'ClusterIP', of: 'reversed' }, reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'Slices of names are ignored',
      reference: '1.3',
      given: {
        slices: [
          { endpoints: ['near1'] },
          { endpoints: ['far1'], addressType: 'FQDN', addresses: ['far1.example.com'] },
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'A slice without the label of a Service is ignored',
      reference: '1.3',
      given: {
        slices: [{ endpoints: ['near1'] }, { endpoints: ['far1'], labels: { 'kubernetes.io/service-name': null } }],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'A slice with the label headless is ignored, whatever its value',
      reference: '1.1',
      given: {
        slices: [{ endpoints: ['near1'] }, { endpoints: ['far1'], labels: { 'service.kubernetes.io/headless': '' } }],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'Who manages a slice does not matter',
      reference: '1.3',
      given: {
        slices: [
          { endpoints: ['near1'], labels: { 'endpointslice.kubernetes.io/managed-by': 'somebody.example.com' } },
          { endpoints: ['far1'] },
        ],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'A slice of another namespace belongs to the Service of that namespace',
      reference: '1.3',
      given: { slices: [{ endpoints: ['near1'] }, { endpoints: ['far1'], namespace: 'elsewhere' }] },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: 'Slices of one family say nothing of the other',
      reference: '1.3',
      given: { slices: [{ endpoints: ['near1'], addressType: 'IPv6' }] },
      seen: [
        { from: 'pod', to: 'ClusterIP', families: [6], reaches: ['near1'] },
        { from: 'pod', to: 'ClusterIP', families: [4], gets: 'refused' },
        { from: 'outside', to: 'NodePort', families: [6], reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', families: [4], gets: 'refused' },
      ],
    },
    {
      title: 'Slices that come before their Service are kept for it',
      reference: '1.3',
      given: { service: false, endpoints: ['near1', 'far1'] },
      seen: [{ from: 'pod', to: 'ClusterIP', gets: 'refused' }],
      steps: [
        {
          when: 'the Service comes',
          given: { service: true },
          seen: [
            { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
            { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
          ],
        },
      ],
    },
  ],
};
