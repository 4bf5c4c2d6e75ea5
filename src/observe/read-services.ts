// SPDX-License-Identifier: Apache-2.0
// The maps of a pinned datapath as input of service-view.ts.

import type { Flow } from '../abi/codecs.gen.ts';
import { Names } from './names.ts';
import type { PinnedDatapath } from './pinned-datapath.ts';
import type { ServiceView } from './service-view.ts';
import { buildServiceViews } from './service-view.ts';
import { SetReader } from './sets.ts';

export function readServiceViews({ lb, maps }: PinnedDatapath, wanted?: string): ServiceView[] {
  const rows = {
    names: new Names(lb.services(), lb.backends()),
    sets: new SetReader(lb),
    frontends: lb.frontends(),
    sockets: lb.sockets(),
    flows: flows(lb),
    conns: maps.conns.entries(),
    traffic: maps.traffic.entries(),
  };
  return buildServiceViews(rows, wanted);
}

function* flows(lb: PinnedDatapath['lb']): Generator<Flow> {
  for (const [, { flow }] of lb.flows4()) yield flow;
  for (const [, { flow }] of lb.flows6()) yield flow;
}
