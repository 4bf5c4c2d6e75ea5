// SPDX-License-Identifier: Apache-2.0
// Pure: on which of this host's addresses NodePorts answer. kube-proxy's rules (pkg/proxy/util/nodeport_addresses.go),
// but where it gives up on the Node's address it opens the family; here the default route is asked before.

import type { Node } from '../model/types.ts';
import type { Address, Family } from '../net/ip.ts';
import { family } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { contains } from '../net/prefix.ts';
import type { HostState } from '../sources/links.ts';

export type NodePortPolicy =
  | {
      /** None: all addresses. */
      readonly prefixes: readonly Prefix[];
    }
  | {
      /** One address of each family: this one, the Node's first, or that of the interface with the default route. */
      readonly primary: Address | undefined;
    };

export interface NodePortAddresses {
  readonly addresses: readonly Address[];
  /** Where what was asked for cannot be had. */
  readonly problems: readonly string[];
}

type Host = Pick<HostState, 'addresses' | 'ifaces' | 'defaultRoutes'>;

export function nodePortAddresses(policy: NodePortPolicy, host: Host, node: Node | undefined): NodePortAddresses {
  if ('prefixes' in policy) {
    const { prefixes } = policy;
    const chosen = (address: Address): boolean => prefixes.some((prefix) => contains(prefix, address));
    return { addresses: prefixes.length === 0 ? host.addresses : host.addresses.filter(chosen), problems: [] };
  }
  const families = FAMILIES.map((of) => primaryOf(of, policy.primary, host, node));
  return {
    addresses: families.flatMap(({ addresses }) => addresses),
    problems: families.flatMap(({ problems }) => problems),
  };
}

// --- internal ---

const FAMILIES: readonly Family[] = [4, 6];

function primaryOf(of: Family, bind: Address | undefined, host: Host, node: Node | undefined): NodePortAddresses {
  const all = host.addresses.filter((address) => family(address) === of);
  if (all.length === 0) return { addresses: [], problems: [] };
  const isOf = (address: Address | undefined): boolean => address !== undefined && family(address) === of;
  const wanted = [bind, ...(node?.addresses ?? [])].find(isOf) ?? routeAddress(of, host);
  if (wanted === undefined) {
    const problem = `nodePortAddresses: no primary IPv${of} address is known, from the Node or by a default route; NodePorts answer on all of IPv${of}`;
    return { addresses: all, problems: [problem] };
  }
  if (all.includes(wanted)) return { addresses: [wanted], problems: [] };
  const problem = `nodePortAddresses: the primary address ${wanted} is not on this host; NodePorts do not answer over IPv${of}`;
  return { addresses: [], problems: [problem] };
}

/** What a kubelet would take. */
function routeAddress(of: Family, { ifaces, defaultRoutes }: Host): Address | undefined {
  const byRoute = ifaces.filter(({ ifindex }) => defaultRoutes.includes(ifindex));
  return byRoute.map(({ address4, address6 }) => (of === 4 ? address4 : address6)).find((each) => each !== undefined);
}
