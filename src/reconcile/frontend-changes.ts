// SPDX-License-Identifier: Apache-2.0
// Which frontends a round takes off and puts on, and who gets one that two want. One that passes from one port to another
// is overwritten: no packet finds it missing.

import type { ObjectKey } from '../model/types.ts';
import type { Attempts } from './attempts.ts';
import type { Goal, Loss } from './batch-goals.ts';
import { losses } from './batch-goals.ts';
import type { Conflict, State } from './batch.ts';
import type { FrontendId, PresentFrontend, PresentPort } from './present.ts';
import { frontendId, frontendRow, sameFrontend } from './present.ts';

interface Put {
  readonly key: ObjectKey;
  readonly port: PresentPort;
  readonly id: FrontendId;
  readonly frontend: PresentFrontend;
}

export class FrontendChanges {
  readonly conflicts: Conflict[] = [];
  readonly released: FrontendId[] = [];
  readonly #state: State;
  readonly #goals: readonly Goal[];
  readonly #attempts: Attempts;
  /** Frontends that one port of this round lets go and another takes over. */
  readonly #passing = new Map<FrontendId, Loss>();

  constructor(state: State, goals: readonly Goal[], attempts: Attempts) {
    this.#state = state;
    this.#goals = goals;
    this.#attempts = attempts;
  }

  takeOff(): void {
    const lost = this.#goals.flatMap((goal) => [...losses(goal)]);
    if (lost.length === 0) return;
    const claimed = new Set<FrontendId>();
    for (const { ports } of this.#goals)
      for (const { frontends } of ports.values()) for (const id of frontends) claimed.add(id);
    const gone: Loss[] = [];
    for (const loss of lost) {
      if (claimed.has(loss.id)) this.#passing.set(loss.id, loss);
      else gone.push(loss);
    }
    this.#drop(gone);
  }

  putOn(): void {
    const { maps, owners, addresses } = this.#state;
    const puts = new Map<FrontendId, Put>();
    for (const goal of this.#attempts.standing(this.#goals)) this.#claim(goal, puts);
    const changed = [...puts.values()].filter(({ id, port, frontend }) => {
      const present = port.frontends.get(id);
      return present === undefined || !sameFrontend(present.row, frontend.row);
    });
    this.#attempts.together(changed, (some) => {
      const added = some.filter(({ id }) => !owners.has(id)).map(({ frontend }) => frontend);
      addresses.announce(added);
      maps.putFrontends(some.map(({ frontend }) => [frontend.key, frontend.row]));
      addresses.entered(added);
      for (const { id, port, frontend } of some) {
        this.#passing.get(id)?.port.frontends.delete(id);
        port.frontends.set(id, frontend);
        owners.set(id, port.service);
      }
    });
    for (const { id } of changed) if (!owners.has(id)) this.released.push(id);
    this.#dropNotTaken();
  }

  /** First come, first served: a frontend belongs to the port that has it until that one lets go. */
  #claim({ key, ports, present }: Goal, puts: Map<FrontendId, Put>): void {
    for (const [name, { wanted }] of ports) {
      const port = present.get(name);
      if (port === undefined) continue;
      for (const one of wanted.frontends) {
        const frontend = frontendRow(wanted, one, port.service);
        const id = frontendId(frontend.key);
        const holder = this.#passing.has(id) ? undefined : this.#state.owners.get(id);
        const owner = puts.get(id)?.port.service ?? holder ?? port.service;
        if (owner === port.service) puts.set(id, { key, port, id, frontend });
        else this.conflicts.push({ service: key, frontend: id });
      }
    }
  }

  /** Who was to take over has failed. Within one Service the old port keeps the frontend until the next try; an other's
   * failure is no reason to keep what was to go. */
  #dropNotTaken(): void {
    this.#drop([...this.#passing.values()].filter(({ port, id }) => port.frontends.has(id)));
  }

  #drop(lost: readonly Loss[]): void {
    this.#attempts.together(lost, (some) => {
      this.#state.maps.deleteFrontends(some.map(({ frontend }) => frontend));
      for (const { id, port } of some) {
        port.frontends.delete(id);
        this.#state.owners.delete(id);
        this.released.push(id);
      }
      this.#state.addresses.left(some.map(({ frontend }) => frontend));
    });
  }
}
