// SPDX-License-Identifier: Apache-2.0
// Who serves each UDP port now, as far as flows and sockets may name it: told by the reconciler after each round, asked
// by those who move what is led to anybody else. kube-proxy's rule (conntrack/cleanup.go): serving endpoints keep their
// flows, whatever policies, topology and termination say.

import { Proto } from '../abi/enums.gen.ts';
import type { FrontendKey } from '../abi/codecs.gen.ts';
import type { WantedService } from '../plan/types.ts';
import { family, UNSPECIFIED } from '../net/ip.ts';
import type { BackendTable } from './backend-table.ts';
import type { FrontendId, PresentPort, PresentService } from './present.ts';
import { frontendId, portKey, serviceRow, setOf } from './present.ts';

interface Served {
  readonly port: PresentPort;
  /** Ids of backends that serve; one without an id is named by nothing. */
  readonly ids: readonly number[];
}

export class UdpServing {
  readonly #backends: Pick<BackendTable, 'key' | 'idOf'>;
  readonly #owners: ReadonlyMap<FrontendId, number>;
  /** By service id. Of a port that has gone: nobody. What is not here has not been told yet, or is not UDP. */
  readonly #served = new Map<number, Served>();
  /** Services that a predecessor left: whatever is told of one first, may be a change. */
  readonly #inherited = new Set<number>();
  #ceased = false;
  #touched = new Set<number>();

  constructor(
    backends: Pick<BackendTable, 'key' | 'idOf'>,
    owners: ReadonlyMap<FrontendId, number>,
    restored: Iterable<PresentService>,
  ) {
    this.#backends = backends;
    this.#owners = owners;
    for (const ports of restored) {
      for (const { service, name } of ports.values()) if (name.proto === Proto.Udp) this.#inherited.add(service);
    }
  }

  /** The maps hold this now. */
  note({ ports }: WantedService, present: PresentService | undefined): void {
    const serving = new Map(ports.map((port) => [portKey(serviceRow(port)), port.serving]));
    for (const [name, port] of present ?? []) {
      if (port.name.proto !== Proto.Udp) continue;
      if (!serving.has(name)) this.#set(port, []);
      const keys = serving.get(name);
      if (keys !== undefined) {
        const ids = keys.flatMap((key) => this.#backends.idOf(key) ?? []);
        this.#set(port, ids);
      }
    }
  }

  /** Somebody has ceased to serve since the last call, or may have. */
  takeCeased(): boolean {
    const ceased = this.#ceased;
    this.#ceased = false;
    return ceased;
  }

  /** Services of which something was told since the last call. */
  takeTouched(): ReadonlySet<number> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** What names this pair should name another. */
  isStale(service: number, backend: number): boolean {
    const ids = this.#served.get(service)?.ids;
    if (ids === undefined || ids.includes(backend)) return false;
    // An older id of a backend that serves.
    const key = this.#backends.key(backend);
    const id = key === undefined ? undefined : this.#backends.idOf(key);
    return id === undefined || !ids.includes(id);
  }

  /** The service that a UDP client on this node asks for by this address. */
  serviceOf({ addr, port }: Pick<FrontendKey, 'addr' | 'port'>): number | undefined {
    return this.#find(addr, port)?.service;
  }

  /** Whether such a client gets a backend. */
  hasBackend({ addr, port }: Pick<FrontendKey, 'addr' | 'port'>): boolean {
    const found = this.#find(addr, port);
    if (found === undefined) return false;
    const present = this.#served.get(found.service)?.port;
    const row = present?.frontends.get(found.id)?.row;
    if (present === undefined || row === undefined) return false;
    const scope = row.setInternal === setOf(found.service, 'local') ? 'local' : 'cluster';
    return present.sets[scope].table !== undefined;
  }

  #find(addr: FrontendKey['addr'], port: number): { id: FrontendId; service: number } | undefined {
    for (const address of [addr, UNSPECIFIED[family(addr)]]) {
      const id = frontendId({ addr: address, port, proto: Proto.Udp });
      const service = this.#owners.get(id);
      if (service !== undefined) return { id, service };
    }
    return undefined;
  }

  #set(port: PresentPort, ids: readonly number[]): void {
    const before = this.#served.get(port.service)?.ids ?? [];
    if (this.#inherited.delete(port.service) || before.some((id) => !ids.includes(id))) this.#ceased = true;
    this.#served.set(port.service, { port, ids });
    this.#touched.add(port.service);
  }
}
