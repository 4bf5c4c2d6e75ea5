// SPDX-License-Identifier: Apache-2.0
// Cluster IPs and node ports for Services whose manifests leave them open, as the API server would give them, but the
// same ones after a restart. Who has something keeps it as long as the Service lives; among those who come together,
// what is written goes before what is left open, and then the order of names decides. Knows no files.

import { isDeepStrictEqual } from 'node:util';
import type { ObjectKey, Service } from '../../model/types.ts';
import type { Address, Family } from '../../net/ip.ts';
import { family } from '../../net/ip.ts';
import type { Prefix } from '../../net/prefix.ts';
import { prefixText } from '../../net/prefix.ts';
import { addressCandidates, portCandidates } from './candidates.ts';
import { listText } from './fields.ts';
import type { ServiceWants } from './objects.ts';
import type { PortRange } from './port-range.ts';
import { rangeText } from './port-range.ts';
import type { FieldPath, Issue } from './problem.ts';
import { compareText } from './problem.ts';

export interface Draft {
  /** With the addresses and node ports that are written. */
  readonly service: Service;
  readonly wants: ServiceWants;
}

export interface Assignment {
  /** As they are to be; the same object as last time where nothing changed. */
  readonly services: ReadonlyMap<ObjectKey, Service>;
  /** Why a Service stays as it was, or out. */
  readonly refused: ReadonlyMap<ObjectKey, readonly Issue[]>;
}

/** What a Service has in the kernel. */
export interface Holding {
  readonly service: ObjectKey;
  readonly addresses: Iterable<Address>;
  readonly nodePorts: Iterable<number>;
}

interface Held {
  readonly draft: Draft;
  readonly service: Service;
}

/** A Service on its way through one round. */
interface Request {
  readonly key: ObjectKey;
  readonly draft: Draft;
  readonly held: Held | undefined;
  readonly families: readonly Family[];
  readonly addresses: Map<Family, Address>;
  /** By index of the port; 0: none yet. */
  readonly nodePorts: number[];
  healthCheckNodePort: number;
  readonly issues: Issue[];
}

export class Allocator {
  readonly #cidrs: ReadonlyMap<Family, Prefix>;
  readonly #range: PortRange;
  readonly #held = new Map<ObjectKey, Held>();
  readonly #addressOwners = new Map<Address, ObjectKey>();
  readonly #portOwners = new Map<number, ObjectKey>();
  /** Given to nobody this time, although nobody who is known has it. */
  #reserved: ReadonlySet<Address | number> = new Set();

  constructor(serviceCidrs: readonly Prefix[], nodePorts: PortRange) {
    this.#cidrs = new Map(serviceCidrs.map((prefix) => [prefix.family, prefix]));
    this.#range = nodePorts;
  }

  /** Given all Services that are known, and what those hold that may be there besides. */
  assign(drafts: ReadonlyMap<ObjectKey, Draft>, held: Iterable<Holding> = []): Assignment {
    const unknown = [...held].filter(({ service }) => !drafts.has(service));
    this.#reserved = new Set(unknown.flatMap(({ addresses, nodePorts }) => [...addresses, ...nodePorts]));
    for (const [key, { service }] of this.#held) {
      if (drafts.has(key)) continue;
      this.#release(service);
      this.#held.delete(key);
    }
    const requests = [...drafts]
      .filter(([key, draft]) => this.#held.get(key)?.draft !== draft)
      .sort(([a], [b]) => compareText(a, b))
      .map(([key, draft]) => this.#request(key, draft));
    for (const { held } of requests) if (held !== undefined) this.#release(held.service);
    for (const request of requests) this.#keep(request);
    for (const request of requests) this.#takeWritten(request);
    for (const request of requests) if (request.issues.length === 0) this.#allocate(request);
    for (const request of requests) this.#settle(request);
    const refused = requests.filter(({ issues }) => issues.length > 0);
    return {
      services: new Map(Array.from(this.#held, ([key, { service }]) => [key, service])),
      refused: new Map(refused.map(({ key, issues }) => [key, issues])),
    };
  }

  #request(key: ObjectKey, draft: Draft): Request {
    const issues: Issue[] = [];
    return {
      key,
      draft,
      held: this.#held.get(key),
      families: this.#families(draft, issues),
      addresses: new Map(),
      nodePorts: draft.service.ports.map(() => 0),
      healthCheckNodePort: 0,
      issues,
    };
  }

  #families({ service, wants }: Draft, issues: Issue[]): readonly Family[] {
    if (!wants.addresses) return [];
    const written = service.clusterIPs.map(family);
    const families: Family[] = [...new Set([...wants.families, ...written])];
    const [preferred] = this.#cidrs.keys();
    if (families.length === 0 && preferred !== undefined) families.push(preferred);
    for (const other of this.#cidrs.keys()) {
      if (wants.policy !== 'SingleStack' && !families.includes(other)) families.push(other);
    }
    const open = families.filter((each) => !written.includes(each) && !this.#cidrs.has(each));
    if (families.length === 0 || open.length > 0) {
      const of = open.length > 0 ? ` for ${listText(open.map((each) => `IPv${each}`))}` : '';
      issues.push(
        complaint(
          ['spec', 'clusterIP'],
          `is missing, and no --service-cidr${of} is given to allocate from; write an address, or start bpfsvc with it`,
        ),
      );
    } else if (wants.policy === 'RequireDualStack' && families.length < 2) {
      issues.push(
        complaint(
          ['spec', 'ipFamilyPolicy'],
          'is RequireDualStack, but there is one family; start bpfsvc with --service-cidr for both, or use PreferDualStack',
        ),
      );
    }
    return families;
  }

  /** What it had and still may have. Nobody else can want this yet. */
  #keep(request: Request): void {
    const { draft, held } = request;
    if (held === undefined) return;
    for (const address of held.service.clusterIPs) {
      const written = draft.service.clusterIPs.find((each) => family(each) === family(address)) ?? address;
      if (request.families.includes(family(address)) && written === address) this.#takeAddress(request, address);
    }
    for (const [i, port] of draft.service.ports.entries()) {
      const before = held.service.ports.find((each) => each.name === port.name && each.protocol === port.protocol);
      const wanted = port.nodePort === before?.nodePort || (port.nodePort === 0 && draft.wants.nodePorts);
      if (before !== undefined && before.nodePort !== 0 && wanted) this.#takePort(request, i, before.nodePort);
    }
    const health = held.service.healthCheckNodePort;
    const written = draft.service.healthCheckNodePort || health;
    if (draft.wants.healthCheckNodePort && health !== 0 && written === health) this.#takeHealthPort(request, health);
  }

  #takeWritten(request: Request): void {
    const { service } = request.draft;
    for (const address of service.clusterIPs) {
      if (request.addresses.get(family(address)) !== address) this.#takeAddress(request, address);
    }
    for (const [i, { nodePort }] of service.ports.entries()) {
      if (nodePort !== 0 && request.nodePorts[i] !== nodePort) this.#takePort(request, i, nodePort);
    }
    const health = service.healthCheckNodePort;
    if (health !== 0 && request.healthCheckNodePort !== health) this.#takeHealthPort(request, health);
  }

  #allocate(request: Request): void {
    const { key, draft, families } = request;
    for (const each of families) {
      const cidr = this.#cidrs.get(each);
      if (request.addresses.has(each) || cidr === undefined) continue;
      const address = this.#firstFree(addressCandidates(cidr, key), this.#addressOwners);
      if (address !== undefined) this.#takeAddress(request, address);
      else request.issues.push(exhausted(['spec', 'clusterIP'], 'address', prefixText(cidr)));
    }
    if (draft.wants.nodePorts) {
      for (const i of draft.service.ports.keys()) this.#allocatePort(request, i);
    }
    if (draft.wants.healthCheckNodePort && request.healthCheckNodePort === 0) {
      const port = this.#firstFree(portCandidates(this.#range, `${key}/healthCheckNodePort`), this.#portOwners);
      if (port !== undefined) this.#takeHealthPort(request, port);
      else request.issues.push(exhausted(['spec', 'healthCheckNodePort'], 'node port', rangeText(this.#range)));
    }
  }

  #allocatePort(request: Request, index: number): void {
    const { ports } = request.draft.service;
    const port = ports[index];
    if (port === undefined || request.nodePorts[index] !== 0) return;
    // One port number in two protocols (DNS) gets one node port, as the API server does it.
    const twin = ports.findIndex((each) => each.port === port.port && each.protocol !== port.protocol);
    const shared = request.nodePorts[twin] ?? 0;
    const taken = ports.some((each, i) => each.protocol === port.protocol && request.nodePorts[i] === shared);
    const name = `${request.key}/${port.name}/${port.protocol}`;
    const free = shared !== 0 && !taken ? shared : this.#firstFree(portCandidates(this.#range, name), this.#portOwners);
    if (free !== undefined) this.#takePort(request, index, free);
    else request.issues.push(exhausted(['spec', 'ports', index, 'nodePort'], 'node port', rangeText(this.#range)));
  }

  /** All or nothing: a Service that cannot have what it asks for stays as it was, if it still can. */
  #settle(request: Request): void {
    const { key, draft, held } = request;
    const service = complete(request);
    if (request.issues.length === 0) {
      const same = [held?.service, draft.service].find((each) => isDeepStrictEqual(each, service));
      this.#held.set(key, { draft, service: same ?? service });
      return;
    }
    this.#release(service);
    if (held !== undefined && this.#isFree(held.service)) this.#own(key, held.service);
    else this.#held.delete(key);
  }

  #takeAddress(request: Request, address: Address): void {
    const owner = this.#addressOwners.get(address);
    if (owner !== undefined && owner !== request.key) {
      const message = `${address} is the address of Service ${owner}; use another, or leave it out`;
      request.issues.push(complaint(['spec', 'clusterIP'], message));
      return;
    }
    this.#addressOwners.set(address, request.key);
    request.addresses.set(family(address), address);
  }

  #takePort(request: Request, index: number, port: number): void {
    if (this.#ownPort(request, ['spec', 'ports', index, 'nodePort'], port)) request.nodePorts[index] = port;
  }

  #takeHealthPort(request: Request, port: number): void {
    if (this.#ownPort(request, ['spec', 'healthCheckNodePort'], port)) request.healthCheckNodePort = port;
  }

  #ownPort(request: Request, path: FieldPath, port: number): boolean {
    const owner = this.#portOwners.get(port);
    if (owner !== undefined && owner !== request.key) {
      request.issues.push(complaint(path, `${port} is a node port of Service ${owner}; use another, or leave it out`));
      return false;
    }
    this.#portOwners.set(port, request.key);
    return true;
  }

  #own(key: ObjectKey, service: Service): void {
    for (const address of service.clusterIPs) this.#addressOwners.set(address, key);
    for (const port of nodePortsOf(service)) this.#portOwners.set(port, key);
  }

  #release(service: Service): void {
    for (const address of service.clusterIPs) this.#addressOwners.delete(address);
    for (const port of nodePortsOf(service)) this.#portOwners.delete(port);
  }

  #firstFree<T extends Address | number>(candidates: Iterable<T>, owners: ReadonlyMap<T, ObjectKey>): T | undefined {
    for (const candidate of candidates) {
      if (!owners.has(candidate) && !this.#reserved.has(candidate)) return candidate;
    }
    return undefined;
  }

  #isFree(service: Service): boolean {
    return (
      !service.clusterIPs.some((address) => this.#addressOwners.has(address)) &&
      !nodePortsOf(service).some((port) => this.#portOwners.has(port))
    );
  }
}

/** With what was taken so far. */
function complete({ draft: { service }, families, addresses, nodePorts, healthCheckNodePort }: Request): Service {
  return {
    ...service,
    clusterIPs: families.flatMap((each) => addresses.get(each) ?? []),
    ports: service.ports.map((port, i) => ({ ...port, nodePort: nodePorts[i] ?? 0 })),
    healthCheckNodePort,
  };
}

function nodePortsOf({ ports, healthCheckNodePort }: Service): number[] {
  return [...ports.map(({ nodePort }) => nodePort), healthCheckNodePort].filter((port) => port !== 0);
}

function complaint(path: FieldPath, message: string): Issue {
  return { path, message };
}

function exhausted(path: FieldPath, what: string, range: string): Issue {
  return complaint(path, `is missing, and no ${what} is left in ${range}; remove Services, or widen the range`);
}
