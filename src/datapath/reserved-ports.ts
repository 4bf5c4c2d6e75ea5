// SPDX-License-Identifier: Apache-2.0
// Keeps the SNAT port range away from the host's own connections: ports in ip_local_reserved_ports are never chosen for
// a socket that did not ask for one (Documentation/networking/ip-sysctl).

import { readFileSync, writeFileSync } from 'node:fs';

const SYSCTL = '/proc/sys/net/ipv4/ip_local_reserved_ports';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Adds the range. The sysctl belongs to the network namespace of the caller. */
export function reservePorts(range: PortRange): void {
  update((ports) => {
    setRange(ports, range, 1);
  });
}

/** Takes the range out again. False: none of it was in. */
export function releasePorts(range: PortRange): boolean {
  return update((ports) => {
    setRange(ports, range, 0);
  });
}

export function parsePorts(text: string): Uint8Array {
  const ports = new Uint8Array(65_536);
  for (const part of text.trim().split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match !== null) setRange(ports, { first: Number(match[1]), last: Number(match[2] ?? match[1]) }, 1);
  }
  return ports;
}

export function formatPorts(ports: Uint8Array): string {
  const ranges: string[] = [];
  for (let first = 0; first < ports.length; first++) {
    if (ports[first] === 0) continue;
    let last = first;
    while (ports[last + 1] === 1) last++;
    ranges.push(first === last ? String(first) : `${String(first)}-${String(last)}`);
    first = last;
  }
  return ranges.join(',');
}

function setRange(ports: Uint8Array, { first, last }: PortRange, value: number): void {
  ports.fill(value, first, last + 1);
}

function update(change: (ports: Uint8Array) => void): boolean {
  const before = readFileSync(SYSCTL, 'utf8');
  const ports = parsePorts(before);
  change(ports);
  const after = formatPorts(ports);
  if (after === before.trim()) return false;
  writeFileSync(SYSCTL, `${after}\n`);
  return true;
}
