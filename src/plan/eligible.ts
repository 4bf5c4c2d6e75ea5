// SPDX-License-Identifier: Apache-2.0
// Pure: which of a service port's endpoints may take traffic, for the cluster list and for the local list. The rules are
// kube-proxy's CategorizeEndpoints (pkg/proxy/topology.go, 1.36; KEP-1669, KEP-2433, KEP-3015).

import type { Endpoint } from '../model/types.ts';
import type { Prefix } from '../net/prefix.ts';
import type { Algorithm } from './algorithm.ts';

export interface Eligible<E extends Endpoint> {
  /** Ready endpoints that topology allows; if there are none, all that are serving and terminating. */
  readonly cluster: readonly E[];
  /** The same for endpoints on this node, without topology. */
  readonly local: readonly E[];
  /** Some endpoint somewhere is usable: an empty list then means silence, not refusal. */
  readonly anywhere: boolean;
}

export interface NodeView {
  readonly name: string;
  /** '' when the node has no zone label. */
  readonly zone: string;
  /** Of Services that ask for none; DEFAULT_ALGORITHM if not given. */
  readonly algorithm?: Algorithm;
  /** Where its pods have their addresses, as far as the configuration says. */
  readonly podPrefixes?: readonly Prefix[];
}

export function eligibleEndpoints<E extends Endpoint>(endpoints: readonly E[], node: NodeView): Eligible<E> {
  const ready = endpoints.filter(({ state }) => state.ready);
  const draining = endpoints.filter(({ state }) => state.serving && state.terminating && !state.ready);
  const nearby = withTopology(ready, node);
  const localReady = ready.filter((endpoint) => isOn(endpoint, node));
  return {
    cluster: nearby.length > 0 ? nearby : draining,
    local: localReady.length > 0 ? localReady : draining.filter((endpoint) => isOn(endpoint, node)),
    anywhere: ready.length > 0 || draining.length > 0,
  };
}

/** All or nothing: one endpoint without a hint, or none for this node or zone, switches topology off. */
function withTopology<E extends Endpoint>(ready: readonly E[], node: NodeView): readonly E[] {
  if (node.name !== '' && ready.every(({ state }) => state.forNodes.length > 0)) {
    const here = ready.filter(({ state }) => state.forNodes.includes(node.name));
    if (here.length > 0) return here;
  }
  if (node.zone !== '' && ready.every(({ state }) => state.forZones.length > 0)) {
    const here = ready.filter(({ state }) => state.forZones.includes(node.zone));
    if (here.length > 0) return here;
  }
  return ready;
}

function isOn({ state }: Endpoint, node: NodeView): boolean {
  return state.nodeName !== '' && state.nodeName === node.name;
}
