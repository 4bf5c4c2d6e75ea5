// SPDX-License-Identifier: Apache-2.0
// Algorithms and weights by annotation, which kube-proxy does not have for single Services. Shares are measured
// elsewhere; here it is seen that nobody is left out who should be chosen. Data; rule.ts has the form.

import type { BackendName, Rule, Topic } from '../rule.ts';

const ALL: readonly BackendName[] = ['near1', 'near2', 'far1', 'far2'];

function algorithm(name: string): { annotations: Record<string, string> } {
  return { annotations: { 'bpfsvc.io/algorithm': name } };
}

const SPREADING = ['maglev', 'random', 'rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'p2c'] as const;

const RULES: readonly Rule[] = [
  ...SPREADING.map((name): Rule => ({
    title: `${name} leaves no endpoint out`,
    reference: '1.4',
    kubeProxy: 'Random, in iptables and nftables mode.',
    bpfsvc: `What the annotation bpfsvc.io/algorithm says: ${name}.`,
    given: { ...algorithm(name), endpoints: ALL },
    seen: [
      { from: 'pod', to: 'ClusterIP', reaches: ALL },
      { from: 'outside', to: 'NodePort', reaches: ALL },
    ],
  })),
  {
    title: 'sh leads a client always to the same endpoint, by its address',
    reference: '1.4',
    bpfsvc: 'Source hashing, as in IPVS.',
    given: { ...algorithm('sh'), endpoints: ALL },
    seen: (['pod', 'host', 'outside'] as const).map((from) => ({
      from,
      to: 'NodePort',
      reaches: ALL,
      sticks: from,
    })),
  },
  {
    title: 'dh leads all clients of an address to the same endpoint',
    reference: '1.4',
    bpfsvc: 'Destination hashing, as in IPVS.',
    given: { ...algorithm('dh'), endpoints: ALL },
    seen: [
      { from: 'pod', to: 'LoadBalancer', reaches: ALL, sticks: 'all' },
      { from: 'outside', to: 'LoadBalancer', reaches: ALL, sticks: 'all' },
    ],
  },
  {
    title: 'An algorithm that nobody knows is the default',
    reference: '1.4',
    bpfsvc: 'Says so by an event.',
    given: { ...algorithm('best'), endpoints: ALL },
    seen: [{ from: 'pod', to: 'ClusterIP', reaches: ALL }],
  },
];

export const ALGORITHMS: Topic = {
  title: 'Algorithms',
  text: 'kube-proxy chooses at random; IPVS mode had algorithms for all Services at once. bpfsvc has them for each Service.',
  rules: RULES,
};
