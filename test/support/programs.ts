// SPDX-License-Identifier: Apache-2.0
// The maps with a program's eyes: after every write it looks up every frontend, as a program would that started now or
// at any time since the last grace period began, and holds what it finds against what the objects permit. Violations
// are collected, not thrown: the reconciler would take an exception for a failed write and repair it.

import type { Frontend } from '../../src/abi/codecs.gen.ts';
import { BackendFlags, SetMode } from '../../src/abi/enums.gen.ts';
import { unpackSet } from '../../src/abi/set-word.ts';
import type { FakeKernel, Observer } from './fake-lb-maps.ts';
import { SEGMENT_SLOTS } from './fake-lb-maps.ts';
import type { NaivePort } from './naive-plan.ts';

/** Something that a program may have read before it was replaced. */
interface Replaced<T> {
  readonly value: T;
  /** The write that replaced it. */
  readonly step: number;
  /** Number of grace periods begun before. */
  readonly epoch: number;
}

interface Row {
  readonly row: Frontend;
  /** The write that made it. */
  readonly since: number;
}

/** A table as it was when programs could first read it. */
interface Seen {
  readonly slots: Uint32Array;
  readonly ids: readonly number[];
  /** kernel.slotVisits when it was last compared. */
  visits: number;
}

export class Programs implements Observer {
  readonly violations: string[] = [];
  /** Frontends that must not be missing. */
  readonly steady = new Set<string>();
  readonly #kernel: FakeKernel;
  #epoch = 0;
  #step = 0;
  readonly #rows = new Map<string, Row>();
  readonly #oldRows = new Map<string, Replaced<Row>[]>();
  #words = new Map<number, bigint>();
  readonly #oldWords = new Map<number, Replaced<bigint>[]>();
  /** By the word that leads there; for every word that a program may have read. */
  #tables = new Map<bigint, Seen>();
  /** By port and scope (`name cluster`): lists that the objects say, or said since the last reset. */
  readonly #lists = new Map<string, Set<string>>();
  /** By frontend: ports that may have it. */
  readonly #claims = new Map<string, Set<string>>();

  constructor(kernel: FakeKernel) {
    this.#kernel = kernel;
  }

  /** Adds what these ports want to what is permitted. */
  permit(ports: readonly NaivePort[]): void {
    for (const { name, frontends, lists } of ports) {
      add(this.#lists, `${name} cluster`, lists.cluster);
      add(this.#lists, `${name} local`, lists.local);
      for (const frontend of frontends.keys()) add(this.#claims, frontend, name);
    }
  }

  /** All programs have ended; from now on only what is permitted anew. */
  reset(): void {
    this.#lists.clear();
    this.#claims.clear();
    this.#oldRows.clear();
    this.#oldWords.clear();
  }

  graceBegins(): () => void {
    const epoch = this.#epoch++;
    return () => {
      forget(this.#oldRows, epoch);
      forget(this.#oldWords, epoch);
    };
  }

  wrote(what: string): void {
    this.#note();
    const tables = new Map<bigint, Seen>();
    for (const name of this.steady) {
      if (!this.#rows.has(name)) this.#violation(what, `${name} is missing`);
    }
    for (const [name, { row, since }] of visible(this.#rows, this.#oldRows)) {
      const port = this.#portName(row.service);
      if (this.#claims.get(name)?.has(port) !== true) this.#violation(what, `${name} leads to ${port}`);
      for (const set of new Set([row.setInternal, row.setExternal])) {
        for (const word of this.#wordsSince(set, since)) {
          const list = this.#describe(word, tables);
          const scope = set % 2 === 0 ? 'cluster' : 'local';
          if (this.#lists.get(`${port} ${scope}`)?.has(list) === true) continue;
          this.#violation(what, `${name} leads to ${port}, set ${set} (${scope}): ${list}`);
        }
      }
    }
    this.#tables = tables;
  }

  /** Each frontend with what its row says now. */
  view(): Map<string, string> {
    return new Map(
      [...this.#kernel.frontends].map(([name, [, row]]) => [
        name,
        [
          this.#portName(row.service),
          `flags ${row.flags} affinity ${row.affinityS}`,
          ...[row.setInternal, row.setExternal].map((set) =>
            this.#describe(this.#kernel.sets.get(set) ?? 0n, new Map()),
          ),
        ].join(' | '),
      ]),
    );
  }

  #note(): void {
    const at = { step: ++this.#step, epoch: this.#epoch };
    for (const [name, value] of this.#rows) {
      if (this.#kernel.frontends.get(name)?.[1] === value.row) continue;
      append(this.#oldRows, name, { value, ...at });
      this.#rows.delete(name);
    }
    for (const [name, [, row]] of this.#kernel.frontends) {
      if (!this.#rows.has(name)) this.#rows.set(name, { row, since: at.step });
    }
    for (const [set, value] of this.#words) {
      if (this.#kernel.sets.get(set) !== value) append(this.#oldWords, set, { value, ...at });
    }
    this.#words = new Map(this.#kernel.sets);
  }

  /** What a program may read from a set after it has read a frontend: the frontend comes first. */
  #wordsSince(set: number, since: number): Set<bigint> {
    const old = this.#oldWords.get(set)?.filter(({ step }) => step > since) ?? [];
    return new Set([this.#kernel.sets.get(set) ?? 0n, ...old.map(({ value }) => value)]);
  }

  #portName(service: number): string {
    const row = this.#kernel.services.get(service);
    if (row === undefined) return `service ${service}, which has no row`;
    return `${row.namespace}/${row.name}:${row.portName}/${row.proto}/${row.family}`;
  }

  /** The backends behind a word, or how clients are turned away. Adds what it has seen to tables. */
  #describe(word: bigint, tables: Map<bigint, Seen>): string {
    const { mode, first, count } = unpackSet(word);
    if (mode === SetMode.Reject) return 'reject';
    if (mode === SetMode.Drop) return 'drop';
    const segment = this.#kernel.segments[Math.floor(first / SEGMENT_SLOTS)];
    const slots = segment?.subarray(first % SEGMENT_SLOTS, (first % SEGMENT_SLOTS) + count);
    if (slots === undefined) return `slots ${first} on, which do not exist`;
    const visits = this.#kernel.slotVisits;
    const seen = this.#tables.get(word) ?? { slots: slots.slice(), ids: [...new Set(slots)], visits };
    if (seen.visits !== visits && seen.slots.some((id, slot) => id !== slots[slot])) {
      return `slots ${first} on, which were overwritten`;
    }
    seen.visits = visits;
    tables.set(word, seen);
    return seen.ids
      .map((id) => this.#backend(id))
      .sort()
      .join(' ');
  }

  #backend(id: number): string {
    const row = this.#kernel.backends.get(id);
    if (row === undefined) return `backend ${id}, which is free`;
    return row.flags & BackendFlags.Retired ? `backend ${id}, which is retired` : `${row.addr}:${row.port}`;
  }

  #violation(what: string, violation: string): void {
    this.violations.push(`after ${what}: ${violation}`);
  }
}

function* visible(rows: Map<string, Row>, old: Map<string, Replaced<Row>[]>): Generator<[string, Row]> {
  yield* rows;
  for (const [name, replaced] of old) for (const { value } of replaced) yield [name, value];
}

function add<K>(map: Map<K, Set<string>>, key: K, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value));
}

function append<K, T>(map: Map<K, T[]>, key: K, value: T): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}

/** A grace period ends all that was read before it began. */
function forget<K, T>(map: Map<K, Replaced<T>[]>, epoch: number): void {
  for (const [key, replaced] of map) {
    const left = replaced.filter((one) => one.epoch > epoch);
    if (left.length > 0) map.set(key, left);
    else map.delete(key);
  }
}
