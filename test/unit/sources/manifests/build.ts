// SPDX-License-Identifier: Apache-2.0
// Small objects as manifests have them, for tests to bend, and what comes out of them.

import { stringify } from 'yaml';
import type { Manifests } from '../../../../src/sources/manifests/load-manifests.ts';
import { loadManifests } from '../../../../src/sources/manifests/load-manifests.ts';
import { parseServiceCidrs } from '../../../../src/sources/manifests/service-cidrs.ts';

export type Fields = Record<string, unknown>;

export const CIDRS = parseServiceCidrs('10.96.0.0/16,fd00:96::/112');

export function service(name: string, spec: Fields = {}, others: Fields = {}): Fields {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }], ...spec }, ...others };
}

export function slice(name: string, fields: Fields = {}): Fields {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: ['192.0.2.10'] }],
    ...fields,
  };
}

export function endpoints(name: string, ...subsets: Fields[]): Fields {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: { name }, subsets };
}

export function node(name: string, fields: Fields = {}): Fields {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, ...fields };
}

export function yaml(...objects: unknown[]): string {
  return objects.map((object) => stringify(object)).join('---\n');
}

export function load(...objects: unknown[]): Manifests {
  return loadManifests(yaml(...objects), 'test.yaml', { serviceCidrs: CIDRS });
}

/** `field: message` of all problems. */
export function complaints(...objects: unknown[]): string[] {
  return load(...objects).problems.map(({ field, message }) =>
    field === undefined ? message : `${field}: ${message}`,
  );
}
