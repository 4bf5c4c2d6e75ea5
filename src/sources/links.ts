// SPDX-License-Identifier: Apache-2.0
// Follows this host's interfaces, addresses and routes, and tells what changed, at most once per turn of the event loop.
// What the kernel said is weighed in host-model.ts; what becomes of it is the listener's business.

import { EventEmitter } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { LinkMonitor, NetlinkRecord, RouteRecord } from '../kernel/netlink.ts';
import type { HostState } from './host-model.ts';
import { HostModel, TABLE_MAIN } from './host-model.ts';

export type { HostState, Iface } from './host-model.ts';

export type HostPart = keyof HostState;

export interface LinkSourceEvents {
  /** `changed` has at least one element. */
  change: [state: HostState, changed: ReadonlySet<HostPart>];
}

export interface LinkSourceOptions {
  /** Names of the uplinks, as in `--devices`; if not given, the interfaces that carry a default route. */
  readonly devices?: string;
  /** The generation to begin with: beyond all that flows in the maps already carry. */
  readonly generation?: number;
  /** Not yet started; closed with the source. */
  readonly monitor: LinkMonitor;
}

/** The kernel needs far less from telling that a link went down to having removed its routes. */
const SETTLE_MS = 250;

export class LinkSource extends EventEmitter<LinkSourceEvents> {
  readonly #monitor: LinkMonitor;
  readonly #isUplink: ((name: string) => boolean) | undefined;
  readonly #model = new HostModel();
  #state: HostState;
  #defaultRoutes: readonly RouteRecord[] = [];
  #nextHopChanged = false;
  #routesChanged = true;
  #flush: NodeJS.Immediate | undefined;
  #settle: NodeJS.Timeout | undefined;

  constructor(options: LinkSourceOptions) {
    super();
    this.#monitor = options.monitor;
    this.#isUplink = options.devices === undefined ? undefined : deviceMatcher(options.devices);
    const generation = options.generation ?? 1;
    this.#state = { uplinks: [], ifaces: [], addresses: [], defaultRoutes: [], generation };
  }

  get state(): HostState {
    return this.#state;
  }

  /** Returns the first state; `change` tells of every later one. Throws KernelError where the kernel refuses. */
  start(): HostState {
    let started = false;
    this.#monitor.on('snapshot', (records) => {
      this.#model.replace(records);
      this.#routesChanged = true;
      this.#nextHopChanged = started;
      if (started) this.#schedule();
    });
    this.#monitor.on('changes', (records) => {
      this.#apply(records);
    });
    this.#monitor.start();
    this.#draw();
    started = true;
    return this.#state;
  }

  close(): void {
    this.#monitor.close();
    clearImmediate(this.#flush);
    clearTimeout(this.#settle);
  }

  #apply(records: readonly NetlinkRecord[]): void {
    let stateChanged = false;
    for (const record of records) {
      const effects = this.#model.apply(record);
      stateChanged ||= effects.state;
      this.#nextHopChanged ||= effects.nextHop;
      this.#routesChanged ||= effects.routes;
      if (effects.routesLater) this.#listRoutesLater();
    }
    if (stateChanged || this.#nextHopChanged || this.#routesChanged) this.#schedule();
  }

  #listRoutesLater(): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      this.#routesChanged = true;
      this.#nextHopChanged = true;
      this.#schedule();
    }, SETTLE_MS);
  }

  #listRoutes(): void {
    const routes = this.#monitor.defaultRoutes(TABLE_MAIN);
    if (routes === undefined) this.#listRoutesLater();
    else this.#defaultRoutes = routes.filter(isRoute);
  }

  #schedule(): void {
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      const changed = this.#draw();
      if (changed.size > 0) this.emit('change', this.#state, changed);
    });
  }

  #draw(): ReadonlySet<HostPart> {
    if (this.#routesChanged) this.#listRoutes();
    const before = this.#state;
    const drawn = this.#model.draw(this.#defaultRoutes, this.#isUplink);
    this.#state = {
      ...drawn,
      generation: this.#nextHopChanged ? nextGeneration(before.generation) : before.generation,
    };
    this.#routesChanged = false;
    this.#nextHopChanged = false;
    const parts: readonly HostPart[] = ['uplinks', 'ifaces', 'addresses', 'defaultRoutes', 'generation'];
    return new Set(parts.filter((part) => !isDeepStrictEqual(before[part], this.#state[part])));
  }
}

/** `eth*,bond0`: any number of patterns, `*` for any text, `?` for one character. */
export function deviceMatcher(devices: string): (name: string) => boolean {
  const patterns = devices
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '')
    .map(
      (pattern) =>
        new RegExp(
          `^${pattern
            .split(/([*?])/)
            .map(toExpression)
            .join('')}$`,
        ),
    );
  return (name) => patterns.some((pattern) => pattern.test(name));
}

// --- internal ---

function toExpression(part: string): string {
  if (part === '*') return '.*';
  return part === '?' ? '.' : part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
}

function isRoute(record: NetlinkRecord): record is RouteRecord {
  return record.kind === 'route';
}

/** 32 bits in the maps; 0 is what a flow has that was never resolved. */
function nextGeneration(generation: number): number {
  return generation >= 0xffffffff ? 1 : generation + 1;
}
