// SPDX-License-Identifier: Apache-2.0
// Where programs can be attached and what they may call.

import { addon } from '../addon.ts';
import { ATTACH_TYPE, PROGRAM_TYPE } from '../constants.ts';
import * as probes from '../probes.ts';
import type { Feature } from './feature.ts';
import { answer } from './feature.ts';

/** Where everything required came with Linux 5.10 or before. */
export const NEWER_KERNEL = 'run Linux 5.10 or later';

export const PROGRAM_FEATURES: readonly Feature[] = [
  {
    id: 'cgroup-link',
    what: 'links to cgroups',
    needed: 'required',
    since: 'Linux 5.7',
    remedy: NEWER_KERNEL,
    probe: () => answer(probes.hasCgroupLinks()),
  },
  {
    id: 'getpeername',
    what: 'getpeername hooks',
    needed: 'required',
    since: 'Linux 5.8',
    remedy: NEWER_KERNEL,
    probe: () => answer(probes.hookExists(PROGRAM_TYPE.CGROUP_SOCK_ADDR, ATTACH_TYPE.CGROUP_INET4_GETPEERNAME)),
  },
  {
    id: 'sock-release',
    what: 'hook at the end of a socket',
    needed: 'required',
    since: 'Linux 5.9',
    remedy: NEWER_KERNEL,
    probe: () => answer(probes.hookExists(PROGRAM_TYPE.CGROUP_SOCK, ATTACH_TYPE.CGROUP_INET_SOCK_RELEASE)),
  },
  {
    id: 'redirect-neigh',
    what: 'forwarding with neighbour resolution (bpf_redirect_neigh)',
    needed: 'required',
    since: 'Linux 5.10',
    remedy: NEWER_KERNEL,
    probe: () => answer(probes.helperInTc(probes.HELPER.redirectNeigh)),
  },
  {
    id: 'tcx',
    what: 'links to tc ingress and egress (tcx)',
    needed: 'preferred',
    since: 'Linux 6.6',
    fallback: 'a clsact qdisc and filters',
    probe: () => answer(probes.hasTcx()),
    substitute: {
      remedy: 'load or build the kernel modules sch_ingress and cls_bpf',
      probe: () => {
        const error = probes.clsactError();
        return answer(error === '', `a filter of a clsact qdisc fails as well (${error})`);
      },
    },
  },
  {
    id: 'set-retval',
    what: 'an error of choice at connect (bpf_set_retval)',
    needed: 'preferred',
    since: 'Linux 6.1',
    fallback: 'EPERM instead of ECONNREFUSED where a Service has no backend',
    probe: () => answer(probes.helperInConnect(probes.HELPER.setRetval)),
  },
  {
    id: 'netns-cookie-helper',
    what: 'network namespace seen by sock_addr programs (bpf_get_netns_cookie)',
    needed: 'preferred',
    since: 'Linux 5.7',
    fallback: 'no NodePorts on loopback; no namespace can opt out of translation at connect',
    probe: () => answer(probes.helperInConnect(probes.HELPER.getNetnsCookie)),
  },
  {
    id: 'netns-cookie-socket',
    what: 'network namespace seen by the agent (SO_NETNS_COOKIE)',
    needed: 'preferred',
    since: 'Linux 5.14',
    fallback: "NodePorts on the initial namespace's loopback; no namespace can opt out of translation at connect",
    probe: () => answer(addon.netnsCookie() !== undefined),
  },
  {
    id: 'coarse-clock',
    what: 'cheap clock in tc programs (bpf_ktime_get_coarse_ns)',
    needed: 'preferred',
    since: 'Linux 5.11',
    fallback: 'bpf_ktime_get_ns',
    probe: () => answer(probes.helperInTc(probes.HELPER.ktimeGetCoarseNs)),
  },
  {
    id: 'sk-storage',
    what: 'socket storage in sock_addr programs',
    needed: 'unused',
    since: 'Linux 5.3',
    instead: 'a map by socket cookie',
    probe: () => answer(probes.helperInConnect(probes.HELPER.skStorageGet)),
  },
  {
    id: 'sock-destroy',
    what: 'sockets ended by a program (bpf_sock_destroy)',
    needed: 'unused',
    since: 'Linux 6.5',
    instead: 'SOCK_DESTROY by netlink',
    probe: () => answer(addon.kernelHasFunction('bpf_sock_destroy')),
  },
  {
    id: 'sock-diag-destroy',
    what: 'UDP sockets ended by netlink (SOCK_DESTROY)',
    needed: 'preferred',
    since: 'Linux 4.9',
    fallback: 'a UDP socket that can neither be taken over nor ended stays with a backend that ceased to serve',
    probe: async () => {
      const error = await probes.sockDiagDestroyError();
      return answer(
        error === '',
        error === '' ? '' : `${error}; needs CONFIG_INET_UDP_DIAG and CONFIG_INET_DIAG_DESTROY`,
      );
    },
  },
  {
    id: 'redirect-peer',
    what: 'straight to the other end of a veth pair (bpf_redirect_peer)',
    needed: 'unused',
    since: 'Linux 5.10',
    instead: "the host's stack delivers to pods",
    probe: () => answer(probes.helperInTc(probes.HELPER.redirectPeer)),
  },
  {
    id: 'check-mtu',
    what: 'MTU of a link in tc programs (bpf_check_mtu)',
    needed: 'unused',
    since: 'Linux 5.12',
    instead: 'the MTU that the agent writes into a map',
    probe: () => answer(probes.helperInTc(probes.HELPER.checkMtu)),
  },
  {
    id: 'xdp-link',
    what: 'links to XDP',
    needed: 'unused',
    since: 'Linux 5.9',
    instead: 'tc alone',
    probe: () => answer(probes.hasXdpLinks()),
  },
];
