// SPDX-License-Identifier: Apache-2.0
// On which addresses of the node NodePorts answer. The node has two, 'host' and 'second', and loopback. Data; rule.ts has
// the form.

import { USUAL } from '../environments.ts';
import type { Environment, Sight, Topic, Vantage } from '../rule.ts';

const SECOND = { address: 'second', port: 'NodePort' } as const;

const CLIENTS: readonly Vantage[] = ['pod', 'host', 'outside'];

const FEATURE = 'nodePortAddresses';

function answers(to: Sight['to'], from: readonly Vantage[] = CLIENTS): Sight[] {
  return from.map((each) => ({ from: each, to, reaches: ['near1', 'far1'] }));
}

function isNotThere(to: Sight['to'], from: readonly Vantage[] = CLIENTS): Sight[] {
  return from.map((each) => ({ from: each, to, gets: 'untouched' }));
}

function under(settings: Readonly<Record<string, unknown>>): Environment {
  return { kubeProxy: { ...USUAL.kubeProxy, ...settings } };
}

const BOTH = { type: 'NodePort', endpoints: ['near1', 'far1'] } as const;

export const NODE_PORTS: readonly Topic[] = [
  {
    title: 'NodePorts on all addresses',
    text: 'Without nodePortAddresses, in iptables mode: every address of the node, loopback as well.',
    rules: [
      {
        title: 'A NodePort answers on every address of the node',
        reference: '2.5',
        given: BOTH,
        seen: [...answers('NodePort'), ...answers(SECOND), ...answers('NodePort', ['far', 'far host'])],
      },
      {
        title: 'A NodePort answers on loopback',
        reference: '2.6',
        kubeProxy: 'With iptables over IPv4 only, and by the sysctl route_localnet; with nftables not at all.',
        bpfsvc: 'IPv4 and IPv6, TCP and UDP, without the sysctl.',
        why: 'connect() is translated before the packet exists, so no packet with a loopback address leaves the host.',
        given: BOTH,
        seen: answers('loopback', ['host']),
      },
      {
        title: "A pod's loopback is its own",
        reference: '2.6',
        given: BOTH,
        seen: isNotThere('loopback', ['pod']),
      },
      {
        title: 'On loopback a NodePort without endpoints is refused',
        reference: '2.2',
        given: { type: 'NodePort', endpoints: [] },
        seen: [{ from: 'host', to: 'loopback', gets: 'refused' }],
      },
      {
        title: 'On loopback the host is short-circuited past externalTrafficPolicy Local',
        reference: '1.6, 2.6',
        given: { ...BOTH, spec: { externalTrafficPolicy: 'Local' } },
        seen: answers('loopback', ['host']),
      },
      {
        title: 'An address that the node gets has its NodePorts, until it goes',
        reference: '2.5',
        kubeProxy: 'iptables at every sync; nftables at full syncs, once an hour.',
        given: BOTH,
        seen: answers('NodePort', ['outside']),
        steps: [
          {
            when: 'the second address goes',
            ip: ['addr del 198.18.10.111/24 dev eth0', 'addr del 2001:db8:a:10::6f/64 dev eth0'],
            seen: answers('NodePort'),
          },
          {
            when: 'it comes back',
            ip: ['addr add 198.18.10.111/24 dev eth0', 'addr add 2001:db8:a:10::6f/64 dev eth0 nodad preferred_lft 0'],
            seen: answers(SECOND),
          },
        ],
      },
    ],
  },
  {
    title: 'NodePorts on the primary addresses',
    text: 'nodePortAddresses: [primary], which is the default in nftables mode: the first address of each family that the Node object has.',
    environment: under({ nodePortAddresses: ['primary'] }),
    rules: [
      {
        title: 'With primary, NodePorts answer on the primary address and nowhere else',
        reference: '2.5',
        given: BOTH,
        seen: [
          ...answers('NodePort'),
          ...isNotThere(SECOND),
          ...isNotThere('loopback', ['host']).map((sight) => ({ ...sight, pending: FEATURE })),
        ],
      },
      {
        title: 'What is not there does not refuse either',
        reference: '2.2',
        kubeProxy: 'iptables refuses and drops on all local addresses; nftables does not.',
        bpfsvc: 'As nftables.',
        given: { type: 'NodePort', endpoints: [] },
        seen: [
          { from: 'outside', to: 'NodePort', gets: 'refused' },
          { from: 'outside', to: SECOND, gets: 'untouched' },
        ],
      },
    ],
  },
  {
    title: 'NodePorts in nftables mode',
    text: 'mode: nftables without nodePortAddresses: as if primary were said.',
    environment: under({ mode: 'nftables' }),
    rules: [
      {
        title: 'In nftables mode NodePorts are on the primary address unless something is said',
        reference: '2.5',
        given: BOTH,
        seen: [
          ...answers('NodePort'),
          ...isNotThere(SECOND).map((sight) => ({ ...sight, pending: FEATURE })),
          ...isNotThere('loopback', ['host']).map((sight) => ({ ...sight, pending: FEATURE })),
        ],
      },
    ],
  },
  {
    title: 'NodePorts by prefix',
    text: 'nodePortAddresses with a prefix of one family.',
    environment: under({ nodePortAddresses: ['198.18.10.111/32'] }),
    rules: [
      {
        title: 'NodePorts answer on the addresses of the prefix; a family without one has all',
        reference: '2.5',
        kubeProxy: 'Warns of it.',
        given: BOTH,
        seen: [
          ...answers(SECOND),
          ...isNotThere('NodePort').map((sight) => ({ ...sight, families: [4] as const })),
          ...answers('NodePort').map((sight) => ({ ...sight, families: [6] as const })),
          { from: 'host', to: 'loopback', families: [4], gets: 'untouched', pending: FEATURE },
          { from: 'host', to: 'loopback', families: [6], reaches: ['near1', 'far1'] },
        ],
      },
    ],
  },
  {
    title: 'NodePorts by prefixes of both families',
    environment: under({ nodePortAddresses: ['198.18.10.0/28', '2001:db8:a:10::/124', '127.0.0.0/8'] }),
    rules: [
      {
        title: 'Prefixes of both families, with loopback of one',
        reference: '2.5, 2.6',
        given: BOTH,
        seen: [
          ...answers('NodePort'),
          ...isNotThere(SECOND),
          { from: 'host', to: 'loopback', families: [4], reaches: ['near1', 'far1'] },
          { from: 'host', to: 'loopback', families: [6], gets: 'untouched', pending: FEATURE },
        ],
      },
    ],
  },
  {
    title: 'NodePorts on a prefix of everything',
    environment: under({ nodePortAddresses: ['198.18.10.111/32', '0.0.0.0/0', '::/0'] }),
    rules: [
      {
        title: 'A prefix of everything makes the others mean nothing',
        reference: '2.5',
        given: BOTH,
        seen: [...answers('NodePort'), ...answers(SECOND)],
      },
    ],
  },
  {
    title: 'NodePorts not on loopback',
    text: 'iptables.localhostNodePorts: false.',
    environment: under({ iptables: { localhostNodePorts: false } }),
    rules: [
      {
        title: 'Without localhostNodePorts loopback has none, all other addresses have',
        reference: '2.5, 2.6',
        given: BOTH,
        seen: [
          ...answers('NodePort'),
          ...answers(SECOND),
          { from: 'host', to: 'loopback', gets: 'untouched', pending: FEATURE },
        ],
      },
    ],
  },
  {
    title: 'NodePorts on loopback only',
    text: 'nodePortAddresses: [localhost], a word of 1.37.',
    environment: under({ nodePortAddresses: ['localhost'] }),
    rules: [
      {
        title: 'With localhost, NodePorts answer on loopback and nowhere else',
        reference: '2.5, 2.6',
        given: BOTH,
        seen: [...answers('loopback', ['host']), ...isNotThere('NodePort')],
        pending: FEATURE,
      },
    ],
  },
];
