// SPDX-License-Identifier: Apache-2.0
// What the API server accepts as EndpointSlice, Endpoints and Node. Fields that bpfsvc does not know are let through
// unseen. Whether an address is some Service's cluster IP is judged where all Services are known.

import type * as z from 'zod';
import {
  across,
  address,
  bool,
  dnsLabel,
  dnsSubdomain,
  familyText,
  issue,
  list,
  mapping,
  oneOf,
  portName,
  portNumber,
  prefix,
  show,
  specialAddress,
  text,
  textMap,
} from './fields.ts';
import { parseAddress } from '../../net/ip.ts';
import type { Issue } from './problem.ts';

const MAX_PORTS = 100;
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;

const metadata = mapping({
  name: dnsSubdomain,
  namespace: dnsLabel.optional(),
  labels: textMap.optional(),
  annotations: textMap.optional(),
});

const protocol = oneOf(['TCP', 'UDP', 'SCTP']);
const hint = list(mapping({ name: text })).optional();

const endpoint = mapping({
  addresses: list(text),
  conditions: mapping({
    ready: bool.optional(),
    serving: bool.optional(),
    terminating: bool.optional(),
  }).optional(),
  hostname: dnsLabel.optional(),
  nodeName: dnsSubdomain.optional(),
  zone: text.optional(),
  hints: mapping({ forZones: hint, forNodes: hint }).optional(),
});

const slice = mapping({
  metadata,
  addressType: oneOf(['IPv4', 'IPv6', 'FQDN']),
  // The API server's defaults: no name is the empty name, no protocol is TCP; no port number means every port.
  ports: list(
    mapping({ name: portName.default(''), protocol: protocol.optional(), port: portNumber.optional() }),
  ).optional(),
  endpoints: list(endpoint).optional(),
});

type Slice = z.infer<typeof slice>;

export const sliceSchema = slice.check(across(sliceRules));

function* sliceRules({ addressType, endpoints = [], ports = [] }: Slice): Generator<Issue> {
  if (endpoints.length > MAX_ENDPOINTS) {
    yield issue(['endpoints'], `has ${endpoints.length} endpoints; use at most ${MAX_ENDPOINTS} in one slice`);
  }
  yield* portRules(ports, 1);
  for (const [i, { addresses }] of endpoints.entries()) {
    if (addresses.length === 0 || addresses.length > MAX_ADDRESSES) {
      yield issue(['endpoints', i, 'addresses'], `has ${addresses.length} addresses; use 1..${MAX_ADDRESSES}`);
    }
    if (addressType === 'FQDN') continue;
    for (const [j, each] of addresses.entries()) {
      const message = addressMessage(each, addressType);
      if (message !== undefined) yield issue(['endpoints', i, 'addresses', j], message);
    }
  }
}

function addressMessage(value: unknown, addressType: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const parsed = parseAddress(value);
  if (parsed === undefined) return address.safeParse(value).error?.issues[0]?.message;
  if ((addressType === 'IPv4' || addressType === 'IPv6') && familyText(parsed) !== addressType) {
    return `${parsed} is ${familyText(parsed)} in a slice of addressType ${addressType}; make a slice for each family`;
  }
  return specialAddress(value);
}

const subset = mapping({
  addresses: list(endpointAddress()).optional(),
  notReadyAddresses: list(endpointAddress()).optional(),
  ports: list(mapping({ name: portName.optional(), protocol: protocol.optional(), port: portNumber })).optional(),
});

export const endpointsSchema = mapping({
  metadata,
  subsets: list(subset.check(across(subsetRules))).optional(),
});

function endpointAddress() {
  return mapping({ ip: address, hostname: dnsLabel.optional(), nodeName: dnsSubdomain.optional() });
}

function* subsetRules(value: z.infer<typeof subset>): Generator<Issue> {
  const { addresses = [], notReadyAddresses = [], ports = [] } = value;
  if (addresses.length + notReadyAddresses.length === 0) {
    yield issue([], 'has no address; list addresses or notReadyAddresses, or remove the subset');
  }
  for (const [field, each] of [
    ...addressesOf('addresses', addresses),
    ...addressesOf('notReadyAddresses', notReadyAddresses),
  ]) {
    const special = specialAddress(each);
    if (special !== undefined) yield issue(field, special);
  }
  yield* portRules(ports, ports.length > 1 ? 0 : 1);
}

function addressesOf(field: string, addresses: readonly { ip: unknown }[]) {
  return addresses.map(({ ip }, i) => [[field, i, 'ip'], ip] as const);
}

function* portRules(ports: readonly { name?: string | undefined }[], maxUnnamed: number): Generator<Issue> {
  if (ports.length > MAX_PORTS) yield issue(['ports'], `has ${ports.length} ports; use at most ${MAX_PORTS}`);
  const names = new Map<string, number>();
  let unnamed = 0;
  for (const [i, { name = '' }] of ports.entries()) {
    const same = names.get(name);
    if (name === '') {
      if (++unnamed > maxUnnamed) yield issue(['ports', i, 'name'], 'is missing; give each port its own name');
    } else if (same === undefined) {
      names.set(name, i);
    } else {
      yield issue(['ports', i, 'name'], `${show(name)} is also the name of ports[${same}]; use another name`);
    }
  }
}

const nodeAddress = mapping({ type: text, address: text }).check(
  across(function* ({ type, address: value }: { type: string; address: string }) {
    if (type !== 'InternalIP' && type !== 'ExternalIP') return;
    const message = address.safeParse(value).error?.issues[0]?.message;
    if (message !== undefined) yield issue(['address'], message);
  }),
);

export const nodeSchema = mapping({
  metadata: mapping({ name: dnsSubdomain, labels: textMap.optional(), annotations: textMap.optional() }),
  spec: mapping({ podCIDR: prefix.optional(), podCIDRs: list(prefix).optional() }).optional(),
  status: mapping({ addresses: list(nodeAddress).optional() }).optional(),
});
