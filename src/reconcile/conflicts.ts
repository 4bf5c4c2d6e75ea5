// SPDX-License-Identifier: Apache-2.0
// Who wants a frontend that another Service has, so that it can be given on, and be told of meanwhile.

import type { ObjectKey } from '../model/types.ts';
import type { Conflict } from './batch.ts';
import type { FrontendId } from './present.ts';

export class Conflicts {
  readonly #lost = new Map<ObjectKey, readonly FrontendId[]>();
  /** The same by frontend. */
  readonly #contenders = new Map<FrontendId, Set<ObjectKey>>();

  get isEmpty(): boolean {
    return this.#contenders.size === 0;
  }

  contenders(frontend: FrontendId): Iterable<ObjectKey> {
    return this.#contenders.get(frontend) ?? [];
  }

  add({ service, frontend }: Conflict): void {
    this.#lost.set(service, [...(this.#lost.get(service) ?? []), frontend]);
    let contenders = this.#contenders.get(frontend);
    if (contenders === undefined) this.#contenders.set(frontend, (contenders = new Set<ObjectKey>()));
    contenders.add(service);
  }

  /** All that this Service has lost. */
  forget(service: ObjectKey): void {
    for (const frontend of this.#lost.get(service) ?? []) {
      const contenders = this.#contenders.get(frontend);
      contenders?.delete(service);
      if (contenders?.size === 0) this.#contenders.delete(frontend);
    }
    this.#lost.delete(service);
  }

  *all(): Generator<Conflict> {
    for (const [service, frontends] of this.#lost) for (const frontend of frontends) yield { service, frontend };
  }
}
