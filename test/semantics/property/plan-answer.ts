// SPDX-License-Identifier: Apache-2.0
// What src/plan answers to a question, for a client from outside.

import type { Store } from '../../../src/model/store.ts';
import { UNSPECIFIED } from '../../../src/net/ip.ts';
import type { NodeView } from '../../../src/plan/eligible.ts';
import { planService } from '../../../src/plan/plan.ts';
import type { WantedFrontend, WantedPort } from '../../../src/plan/types.ts';
import type { Answer, Question } from './reading.ts';

export function askPlan(store: Store, node: NodeView, nodeAddresses: readonly string[], question: Question): Answer {
  const ports = [...store.services].flatMap(
    ([key, service]) => planService(service, store.slices.get(key)?.values() ?? [], node).ports,
  );
  const { to } = question;
  const any = UNSPECIFIED[to.includes(':') ? 6 : 4];
  const found = find(ports, question, to) ?? (nodeAddresses.includes(to) ? find(ports, question, any) : undefined);
  if (found === undefined) return 'untouched';
  const { backends, whenEmpty } = found.port.sets[found.frontend.external];
  if (backends.length === 0) return whenEmpty === 'reject' ? 'refused' : 'dropped';
  return backends.map(({ address, port }) => `${address} ${port}`).sort();
}

// --- internal ---

function find(
  ports: readonly WantedPort[],
  { port: number, protocol }: Question,
  address: string,
): { readonly port: WantedPort; readonly frontend: WantedFrontend } | undefined {
  for (const port of ports) {
    if (port.protocol !== protocol) continue;
    const frontend = port.frontends.find((each) => each.address === address && each.port === number);
    if (frontend !== undefined) return { port, frontend };
  }
  return undefined;
}
