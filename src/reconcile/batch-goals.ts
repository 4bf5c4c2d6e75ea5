// SPDX-License-Identifier: Apache-2.0
// What a round is to reach, beside what is present, and what differs. Pure.

import type { FrontendKey, Service } from '../abi/codecs.gen.ts';
import type { ObjectKey } from '../model/types.ts';
import type { SetScope, WantedPort, WantedService } from '../plan/types.ts';
import type { FrontendId, PresentPort, PresentService } from './present.ts';
import { frontendId, frontendRow, leadsTo, portKey, serviceRow } from './present.ts';

export interface Goal {
  readonly key: ObjectKey;
  readonly ports: ReadonlyMap<string, GoalPort>;
  readonly present: PresentService;
}

export interface GoalPort {
  readonly wanted: WantedPort;
  readonly name: Service;
  readonly frontends: ReadonlySet<FrontendId>;
}

/** A frontend that a port has and is not to have. */
export interface Loss {
  readonly key: ObjectKey;
  readonly port: PresentPort;
  readonly id: FrontendId;
  readonly frontend: FrontendKey;
}

export function toGoal({ key, ports }: WantedService, present: PresentService | undefined): Goal {
  return { key, ports: new Map(ports.map(toGoalPort)), present: present ?? new Map<string, PresentPort>() };
}

/** Frontends that a Service has and does not want, or wants for another of its ports. */
export function* losses({ key, ports, present }: Goal): Generator<Loss> {
  for (const [name, port] of present) {
    const kept = ports.get(name)?.frontends;
    for (const [id, { key: frontend }] of port.frontends) if (kept?.has(id) !== true) yield { key, port, id, frontend };
  }
}

/** A list that no frontend uses costs nothing; one that a present frontend still uses is kept up until that changes. */
export function isNeeded(port: PresentPort, scope: SetScope, wanted: WantedPort | undefined): boolean {
  const isWanted =
    wanted?.frontends.some(({ internal, external }) => internal === scope || external === scope) ?? false;
  return isWanted || leadsTo(port, scope);
}

function toGoalPort(wanted: WantedPort): [string, GoalPort] {
  const name = serviceRow(wanted);
  const frontends = new Set(wanted.frontends.map((frontend) => frontendId(frontendRow(wanted, frontend, 0).key)));
  return [portKey(name), { wanted, name, frontends }];
}
