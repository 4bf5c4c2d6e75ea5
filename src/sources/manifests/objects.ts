// SPDX-License-Identifier: Apache-2.0
// One object of a manifest: checked, and turned into records of the model. Knows nothing of YAML, of files and of other
// objects; says what is wrong by field.

import type * as z from 'zod';
import type { Family } from '../../net/ip.ts';
import type { EndpointSlice, Node, Service } from '../../model/types.ts';
import { isForeign, isHeadless, toMirroredSlices, toNode, toService, toSlice } from '../kubernetes/convert.ts';
import { endpointsSchema, nodeSchema, sliceSchema } from './endpoint-schema.ts';
import { listText, show } from './fields.ts';
import type { PortRange } from './port-range.ts';
import type { FieldPath, Issue } from './problem.ts';
import type { ServiceManifest, ServiceSpec } from './service-schema.ts';
import { serviceSchema } from './service-schema.ts';

/** What a Service leaves to be allocated. */
export interface ServiceWants {
  /** False for headless Services and ExternalName. */
  readonly addresses: boolean;
  /** In the order of ipFamilies; empty: as the agent is configured. */
  readonly families: readonly Family[];
  readonly policy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  readonly nodePorts: boolean;
  readonly healthCheckNodePort: boolean;
}

interface Named {
  /** `Service default/web`: names the object in messages, and is its identity. */
  readonly label: string;
}

export interface ServiceObjectRead extends Named {
  readonly kind: 'Service';
  /** With the addresses and node ports that the manifest gives. Undefined: another proxy's. */
  readonly service: Service | undefined;
  readonly wants: ServiceWants;
}

export interface SlicesRead extends Named {
  readonly kind: 'EndpointSlice' | 'Endpoints';
  /** None when the object is not for a proxy. */
  readonly slices: readonly EndpointSlice[];
}

export interface NodeRead extends Named {
  readonly kind: 'Node';
  readonly node: Node;
}

export type ManifestObject = ServiceObjectRead | SlicesRead | NodeRead;

export type ObjectResult =
  | { readonly object: ManifestObject }
  | { readonly label: string | undefined; readonly issues: readonly Issue[] }
  | { readonly skipped: string };

type Mapping = Readonly<Record<string, unknown>>;

/** Kinds that are read, by the apiVersion under which they are. */
const API_VERSIONS: Readonly<Record<string, string>> = {
  Service: 'v1',
  Endpoints: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
};

export class ObjectReader {
  readonly #service: ReturnType<typeof serviceSchema>;

  constructor(nodePorts: PortRange) {
    this.#service = serviceSchema(nodePorts);
  }

  read(value: unknown): ObjectResult {
    if (!isMapping(value)) {
      return refuse(
        undefined,
        [],
        `${show(value)} is not a Kubernetes object; write apiVersion, kind, metadata and spec`,
      );
    }
    const { kind, apiVersion } = value;
    if (typeof kind !== 'string' || kind === '') {
      return refuse(undefined, ['kind'], `is missing; write ${listText(Object.keys(API_VERSIONS))}`);
    }
    const known = API_VERSIONS[kind];
    if (typeof apiVersion !== 'string' || apiVersion === '') {
      return refuse(labelOf(kind, value), ['apiVersion'], `is missing; write ${known ?? 'the version of its API'}`);
    }
    if (known === undefined) return { skipped: `${apiVersion} ${kind}` };
    if (known === apiVersion) return this.#readKind(kind, labelOf(kind, value), value);
    // The same group in another version is meant for us; another group (Knative has a Service, too) is not.
    if (groupOf(apiVersion) !== groupOf(known)) return { skipped: `${apiVersion} ${kind}` };
    return refuse(labelOf(kind, value), ['apiVersion'], `${show(apiVersion)} is not served; use ${known}`);
  }

  #readKind(kind: string, label: string, value: Mapping): ObjectResult {
    switch (kind) {
      case 'Service':
        return result(label, this.#service.safeParse(value), (object) => ({
          kind: 'Service',
          label,
          service: isForeign(object) ? undefined : toService(object),
          wants: toWants(object),
        }));
      case 'EndpointSlice':
        return result(label, sliceSchema.safeParse(value), (object) => {
          const slice = toSlice(object);
          return { kind: 'EndpointSlice', label, slices: slice === undefined ? [] : [slice] };
        });
      case 'Endpoints':
        return result(label, endpointsSchema.safeParse(value), (object) => ({
          kind: 'Endpoints',
          label,
          slices: toMirroredSlices(object),
        }));
      default:
        return result(label, nodeSchema.safeParse(value), (object) => ({ kind: 'Node', label, node: toNode(object) }));
    }
  }
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function result<T>(
  label: string,
  parsed: z.ZodSafeParseResult<T>,
  toObject: (value: T) => ManifestObject,
): ObjectResult {
  if (parsed.success) return { object: toObject(parsed.data) };
  const issues = parsed.error.issues.map(({ path, message }) => ({
    path: path.filter((part) => typeof part !== 'symbol'),
    message,
  }));
  return { label, issues };
}

function refuse(label: string | undefined, path: FieldPath, message: string): ObjectResult {
  return { label, issues: [{ path, message }] };
}

function labelOf(kind: string, value: Mapping): string {
  const metadata = isMapping(value['metadata']) ? value['metadata'] : {};
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : '(no name)';
  if (kind === 'Node') return `${kind} ${name}`;
  return `${kind} ${typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default'}/${name}`;
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

function toWants({ spec }: ServiceManifest): ServiceWants {
  const addresses = spec.type !== 'ExternalName' && !isHeadless(spec);
  return {
    addresses,
    families: (spec.ipFamilies ?? []).map((each) => (each === 'IPv4' ? 4 : 6)),
    policy: spec.ipFamilyPolicy ?? 'SingleStack',
    nodePorts: addresses && wantsNodePorts(spec),
    healthCheckNodePort: addresses && spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local',
  };
}

function wantsNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}
