// SPDX-License-Identifier: Apache-2.0
// What an agent says of itself, for `bpfsvc status` to read without its help: JSON in a pinned map, which outlives the
// agent however it ends, is found where the datapath is found, and goes with it. Two copies take turns: a reader finds
// the last report whole, even when the agent was killed while it wrote the next.

import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { addon } from '../kernel/addon.ts';
import { MAP_FLAG, MAP_TYPE } from '../kernel/constants.ts';
import type { MapSpec, NativeMap } from '../kernel/native-types.ts';

export interface ReportedProblem {
  /** `manifests`, `services`, `host` … */
  readonly about: string;
  readonly message: string;
  /** ISO 8601: when this agent first met it. */
  readonly since: string;
}

export interface AgentReport {
  /** As the agent sees itself; another one outside its pid namespace. */
  readonly pid: number;
  readonly node: string;
  /** `stopped`: it has ended in order. One that was killed is still what it was before. */
  readonly state: 'starting' | 'ready' | 'stopped';
  /** ISO 8601. */
  readonly started: string;
  /** When this report was written: whenever something in it changes. */
  readonly written: string;
  readonly problems: readonly ReportedProblem[];
  /** How many more there are that found no room. */
  readonly problemsLeftOut: number;
}

const PIN = 'agent_report';
/** Of the report; a reader of another number knows that it cannot read it. */
const FORMAT = 1;
const PAGE = 4096;
const COPY_PAGES = 16;
const COPY_BYTES = COPY_PAGES * PAGE;
const SPEC: MapSpec = {
  type: MAP_TYPE.ARRAY,
  name: PIN,
  keySize: Uint32Array.BYTES_PER_ELEMENT,
  valueSize: PAGE,
  maxEntries: 1 + 2 * COPY_PAGES,
  flags: MAP_FLAG.MMAPABLE,
};
const MAP_BYTES = SPEC.maxEntries * PAGE;
/** A message that is longer says nothing more. */
const MESSAGE_CHARACTERS = 2000;
const TRIES = 100;

export class AgentReportMap implements Disposable {
  readonly #map: NativeMap;
  readonly #memory: ArrayBuffer;
  /** How many reports there have been, modulo 2^32: the last is in the copy of its lowest bit. Then the copies' lengths. */
  readonly #header: Uint32Array;

  private constructor(map: NativeMap) {
    this.#map = map;
    this.#memory = map.mmap(0, MAP_BYTES);
    this.#header = new Uint32Array(this.#memory, 0, 3);
  }

  /** For the agent, which alone may write; directory: that of the pinned maps. */
  static provide(directory: string): AgentReportMap {
    const pin = path.join(directory, PIN);
    if (existsSync(pin)) {
      const map = openFitting(pin);
      if (map !== undefined) return new AgentReportMap(map);
      rmSync(pin);
    }
    const map = addon.createMap(SPEC);
    try {
      map.pin(pin);
      return new AgentReportMap(map);
    } catch (error) {
      map.close();
      throw error;
    }
  }

  /** Undefined: no agent has ever written one, or one whose reports have another form. */
  static find(directory: string): AgentReportMap | undefined {
    const pin = path.join(directory, PIN);
    const map = existsSync(pin) ? openFitting(pin) : undefined;
    return map === undefined ? undefined : new AgentReportMap(map);
  }

  write(report: AgentReport): void {
    const text = encode(report);
    const next = (Atomics.load(this.#header, 0) + 1) >>> 0;
    this.#copy(next).set(text);
    Atomics.store(this.#header, 1 + (next & 1), text.length);
    Atomics.store(this.#header, 0, next);
  }

  read(): AgentReport | undefined {
    for (let tries = 0; tries < TRIES; tries++) {
      const current = Atomics.load(this.#header, 0);
      const length = Atomics.load(this.#header, 1 + (current & 1));
      const text = this.#copy(current).slice(0, length);
      // The one after the next is written over this.
      if (Atomics.load(this.#header, 0) === current) return decode(text);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#map.munmap(this.#memory);
    this.#map.close();
  }

  #copy(report: number): Uint8Array {
    return new Uint8Array(this.#memory, PAGE + (report & 1) * COPY_BYTES, COPY_BYTES);
  }
}

// --- internal ---

/** Undefined: a map of another form, of another version. */
function openFitting(pin: string): NativeMap | undefined {
  const map = addon.openPinnedMap(pin);
  const { type, keySize, valueSize, maxEntries, flags } = map.info();
  const fits = type === SPEC.type && keySize === SPEC.keySize && valueSize === SPEC.valueSize;
  if (fits && maxEntries === SPEC.maxEntries && (flags & SPEC.flags) === SPEC.flags) return map;
  map.close();
  return undefined;
}

/** With as many problems as there is room for. */
function encode(report: AgentReport): Uint8Array {
  const all = report.problems.map((problem) => ({ ...problem, message: shortened(problem.message) }));
  for (let count = all.length; ; count = Math.floor(count * 0.9)) {
    const problemsLeftOut = report.problemsLeftOut + all.length - count;
    const text = JSON.stringify({ format: FORMAT, ...report, problems: all.slice(0, count), problemsLeftOut });
    const bytes = new TextEncoder().encode(text);
    if (bytes.length <= COPY_BYTES) return bytes;
  }
}

function shortened(message: string): string {
  return message.length <= MESSAGE_CHARACTERS ? message : `${message.slice(0, MESSAGE_CHARACTERS)}…`;
}

function decode(bytes: Uint8Array): AgentReport | undefined {
  if (bytes.length === 0) return undefined;
  const { format, ...report } = JSON.parse(new TextDecoder().decode(bytes)) as AgentReport & { format: number };
  return format === FORMAT ? report : undefined;
}
