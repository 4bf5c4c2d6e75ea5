// SPDX-License-Identifier: Apache-2.0
// Who is who in packet tests, in both families, out of the address plan.

import type { Address } from '../../src/net/ip.ts';
import { parseAddress } from '../../src/net/ip.ts';
import type { Prefix } from '../../src/net/prefix.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import type { DualStack, Family } from './address-plan.ts';
import { client, CLIENT_CIDR, externalIp, nodeAddress, pick, podAddress, podCidr } from './address-plan.ts';

const host = ({ v4, v6 }: DualStack): DualStack => ({ v4: `${v4}/32`, v6: `${v6}/128` });

export const HOST = {
  node: nodeAddress(10, 1),
  router: nodeAddress(10, 254),
  clients: CLIENT_CIDR,
  remotePods: podCidr(2),
  behindBare: host(podAddress(2, 50)),
  unreachable: host(podAddress(2, 51)),
};

export interface Cast {
  readonly family: Family;
  readonly client: string;
  readonly otherClient: string;
  readonly frontend: string;
  readonly otherFrontend: string;
  /** A row of frontends with this address is for all node addresses. */
  readonly anyNode: string;
  readonly node: string;
  readonly router: string;
  readonly local: string;
  readonly otherLocal: string;
  readonly remote: string;
  readonly otherRemote: string;
  readonly behindBare: string;
  readonly unreachable: string;
  /** In no map. */
  readonly stranger: string;
  /** Neither in a map nor on a route: the stack may have it. */
  readonly nowhere: string;
}

export const CASTS: readonly Cast[] = ([4, 6] as const).map((family) => ({
  family,
  client: pick(client(7), family),
  otherClient: pick(client(8), family),
  frontend: pick(externalIp(1), family),
  otherFrontend: pick(externalIp(2), family),
  anyNode: family === 4 ? '0.0.0.0' : '::',
  node: pick(HOST.node, family),
  router: pick(HOST.router, family),
  local: pick(podAddress(1, 1), family),
  otherLocal: pick(podAddress(1, 2), family),
  remote: pick(podAddress(2, 1), family),
  otherRemote: pick(podAddress(2, 2), family),
  behindBare: pick(podAddress(2, 50), family),
  unreachable: pick(podAddress(2, 51), family),
  stranger: pick(externalIp(99), family),
  nowhere: pick({ v4: '192.0.2.250', v6: '2001:db8:ffff::1' }, family),
}));

export function castOf(family: Family): Cast {
  const cast = CASTS.find((one) => one.family === family);
  if (cast === undefined) throw new Error(`there is no cast for IPv${family}`);
  return cast;
}

export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
}

/** The prefix of an address alone. */
export function alone(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
