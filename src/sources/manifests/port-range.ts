// SPDX-License-Identifier: Apache-2.0
// The range of node ports, as kube-apiserver's --service-node-port-range writes it.

import { BpfsvcError } from '../../errors.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export const DEFAULT_NODE_PORTS: PortRange = { first: 30_000, last: 32_767 };

/** `30000-32767`, `30000+2767` or a single port. */
export function parsePortRange(text: string): PortRange {
  const [, from, sign, to] = /^(\d{1,5})(?:([-+])(\d{1,5}))?$/.exec(text.trim()) ?? [];
  const first = Number(from);
  const last = sign === undefined ? first : sign === '-' ? Number(to) : first + Number(to);
  if (!(first >= 1 && last <= 65_535 && first <= last)) {
    throw new BpfsvcError('node-port-range-invalid', `"${text}" is not a range of node ports`);
  }
  return { first, last };
}

export function inRange(port: number, range: PortRange): boolean {
  return port >= range.first && port <= range.last;
}

export function rangeText(range: PortRange): string {
  return `${range.first}-${range.last}`;
}
