// SPDX-License-Identifier: Apache-2.0
// Service ids: one per port and family of a Service. A removed port's id is retired and its name row stays, because
// flows and counters name it; it comes back with the same name, or is forgotten when nothing names it any more.

import type { Service } from '../abi/codecs.gen.ts';
import type { LbMaps } from '../datapath/lb-maps.ts';
import { Exhausted } from './exhausted.ts';
import { objectKeyOf, portKey } from './present.ts';

/** A new one each time that the id is retired. */
export interface RetiredService {
  /** `namespace/name:port`. */
  readonly name: string;
}

export class ServiceIds {
  readonly #maps: LbMaps;
  readonly #retired = new Map<number, RetiredService>();
  readonly #retiredByName = new Map<string, number>();
  readonly #free: number[] = [];
  /** 0 is never handed out, so that an empty row shows. */
  #next = 1;

  constructor(maps: LbMaps) {
    this.#maps = maps;
  }

  get retired(): ReadonlyMap<number, RetiredService> {
    return this.#retired;
  }

  acquire(name: Service): number {
    const full = fullName(name);
    const revived = this.#retiredByName.get(full);
    if (revived !== undefined) {
      this.#retired.delete(revived);
      this.#retiredByName.delete(full);
      return revived;
    }
    const id = this.#next < this.#maps.capacity.services ? this.#next++ : this.#free.shift();
    if (id === undefined) {
      throw new Exhausted(
        `all ${String(this.#maps.capacity.services)} service ids are in use (${String(this.#retired.size)} of them only by running flows)`,
      );
    }
    return id;
  }

  retire(id: number, service: Service): void {
    const name = fullName(service);
    this.#retired.set(id, { name });
    this.#retiredByName.set(name, id);
  }

  /** Nothing names these any more; one that was in use meanwhile stays. */
  forget(retired: readonly (readonly [id: number, as: RetiredService])[]): void {
    const gone = retired.filter(([id, as]) => this.#retired.get(id) === as);
    if (gone.length === 0) return;
    this.#maps.deleteServices(gone.map(([id]) => id));
    for (const [id, { name }] of gone) {
      this.#retiredByName.delete(name);
      this.#retired.delete(id);
      this.#free.push(id);
    }
  }

  /** Ids that present rows use; every gap below the highest is free. */
  restore(ids: Iterable<number>): void {
    for (const id of [...ids].sort((a, b) => a - b)) {
      for (; this.#next < id; this.#next++) this.#free.push(this.#next);
      this.#next = id + 1;
    }
  }
}

function fullName(name: Service): string {
  return `${objectKeyOf(name)}:${portKey(name)}`;
}
