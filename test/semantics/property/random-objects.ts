// SPDX-License-Identifier: Apache-2.0
// Objects at random: few names, addresses and ports, so that they meet. Each Service has addresses of its own, because of
// two that claim one nobody knows who gets it.

import fc from 'fast-check';
import type { EndpointSliceObject, ServiceObject } from '../../../src/sources/kubernetes/objects.ts';
import { client, clusterIp, externalIp, podAddress } from '../../support/address-plan.ts';
import type { Question } from './reading.ts';

export type Change =
  | { readonly kind: 'service'; readonly object: ServiceObject }
  | { readonly kind: 'slice'; readonly object: EndpointSliceObject }
  | { readonly kind: 'delete service' | 'delete slice'; readonly name: string }
  | { readonly kind: 'zone'; readonly zone: string };

const SERVICES = 3;
const NODES = ['node1', 'node2'] as const;
const ZONES = ['zone-a', 'zone-b'] as const;

const policy = fc.constantFrom('Cluster', 'Local', undefined);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 3 });

const port = (n: number) =>
  fc
    .record({
      name: fc.constantFrom('', 'http', 'dns'),
      protocol: fc.constantFrom('TCP', 'UDP', undefined),
      port: fc.constantFrom(80, 81),
      nodePort: fc.constantFrom(0, 1, 2),
    })
    .map((of) => ({ ...of, nodePort: of.nodePort === 0 ? 0 : nodePort(n, of.nodePort) }));

function nodePort(n: number, which: number): number {
  return 30_000 + 10 * n + which;
}

const service = fc.nat(SERVICES - 1).chain((n) =>
  fc
    .record({
      type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'LoadBalancer', undefined, 'ExternalName'),
      clusterIPs: fc.constantFrom(...ofEitherFamily(clusterIp(1 + n))),
      headless: fc.constantFrom(true, ...Array<boolean>(11).fill(false)),
      externalIPs: fc.subarray([externalIp(10 + n).v4, externalIp(10 + n).v6]),
      ingress: fc.subarray([externalIp(20 + n).v4, externalIp(20 + n).v6]),
      ipMode: fc.constantFrom('VIP', 'Proxy', undefined, undefined),
      ports: fc.uniqueArray(port(n), {
        minLength: 1,
        maxLength: 3,
        comparator: (a, b) =>
          a.name === b.name || (samePort(a.protocol, b.protocol) && (a.port === b.port || a.nodePort === b.nodePort)),
      }),
      internalTrafficPolicy: policy,
      externalTrafficPolicy: policy,
      foreign: fc.constantFrom(true, ...Array<boolean>(11).fill(false)),
    })
    .map(({ type, clusterIPs, headless, ingress, ipMode, foreign, ...spec }): Change => ({
      kind: 'service',
      object: {
        metadata: {
          name: serviceName(n),
          namespace: 'default',
          labels: foreign ? { 'service.kubernetes.io/service-proxy-name': '' } : {},
        },
        spec: {
          ...spec,
          type,
          clusterIPs: headless ? ['None'] : clusterIPs,
          clusterIP: headless ? 'None' : clusterIPs[0],
        },
        status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip, ipMode })) } },
      },
    })),
);

function samePort(a: string | undefined, b: string | undefined): boolean {
  return (a ?? 'TCP') === (b ?? 'TCP');
}

function ofEitherFamily({ v4, v6 }: { v4: string; v6: string }): string[][] {
  return [[v4], [v6], [v4, v6], [v6, v4]];
}

function serviceName(n: number): string {
  return `service-${n}`;
}

const endpoint = (family: 4 | 6) =>
  fc.constantFrom(1 as const, 2 as const).chain((node) =>
    fc.record({
      addresses: fc.constantFrom(1, 2, 3).map((n) => [podAddress(node, n)[family === 4 ? 'v4' : 'v6']]),
      conditions: maybe(
        fc.record({
          ready: maybe(fc.boolean()),
          serving: maybe(fc.boolean()),
          terminating: maybe(fc.boolean()),
        }),
      ),
      nodeName: maybe(fc.constant(`node${node}`)),
      hints: maybe(fc.record({ forZones: fc.constant(ZONES).chain(named), forNodes: fc.constant(NODES).chain(named) })),
    }),
  );

function named(names: readonly string[]): fc.Arbitrary<{ name: string }[]> {
  return fc.subarray([...names]).map((some) => some.map((name) => ({ name })));
}

const slice = fc
  .record({
    n: fc.nat(SERVICES - 1),
    which: fc.constantFrom('a', 'b'),
    family: fc.constantFrom(4 as const, 6 as const),
  })
  .chain(({ n, which, family }) =>
    fc
      .record({
        ports: fc.uniqueArray(
          fc.record({
            name: fc.constantFrom('', 'http', 'dns'),
            protocol: fc.constantFrom('TCP', 'UDP'),
            port: fc.constantFrom(8080, 8081, 8080, undefined),
          }),
          { minLength: 2, maxLength: 6, comparator: (a, b) => a.name === b.name && a.protocol === b.protocol },
        ),
        endpoints: fc.array(endpoint(family), { minLength: 1, maxLength: 6 }),
        headless: fc.constantFrom(true, ...Array<boolean>(9).fill(false)),
      })
      .map(({ ports, endpoints, headless }): Change => ({
        kind: 'slice',
        object: {
          metadata: {
            name: `slice-${n}-${which}-${family}`,
            namespace: 'default',
            labels: {
              'kubernetes.io/service-name': serviceName(n),
              ...(headless ? { 'service.kubernetes.io/headless': '' } : {}),
            },
          },
          addressType: `IPv${family}`,
          ports,
          endpoints,
        },
      })),
  );

const deletion = fc
  .record({ n: fc.nat(SERVICES - 1), which: fc.constantFrom('service', 'a-4', 'a-6', 'b-4', 'b-6') })
  .map(({ n, which }): Change =>
    which === 'service'
      ? { kind: 'delete service', name: serviceName(n) }
      : { kind: 'delete slice', name: `slice-${n}-${which}` },
  );

const zone = fc.constantFrom('', ...ZONES).map((name): Change => ({ kind: 'zone', zone: name }));

const change = fc.oneof({ arbitrary: service, weight: 4 }, { arbitrary: slice, weight: 6 }, deletion, zone);

/** The sources tell several at once: at their start, most of what there is. */
export const beginning: fc.Arbitrary<readonly Change[]> = fc.array(change, { minLength: 10, maxLength: 24 });
export const changes: fc.Arbitrary<readonly Change[]> = fc.array(change, { minLength: 1, maxLength: 6 });

/** Addresses and ports that Services claim now, whether rightly or not, and in one of four times any others. */
export function questionsOf(services: readonly ServiceObject[], nodeAddresses: readonly string[]): AnyQuestion[] {
  return services.flatMap(({ spec, status }) => {
    const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    const addresses = [...(spec?.clusterIPs ?? []), ...(spec?.externalIPs ?? []), ...ingress].filter(
      (ip) => ip !== 'None',
    );
    return (spec?.ports ?? []).flatMap(({ port: number, nodePort: external, protocol }) => {
      const of = protocol === 'UDP' ? 'UDP' : 'TCP';
      return [
        ...addresses.map((to) => ({ to, port: number, protocol: of }) as const),
        ...(external ? nodeAddresses.map((to) => ({ to, port: external, protocol: of }) as const) : []),
      ];
    });
  });
}

export type AnyQuestion = Omit<Question, 'from'>;

export interface Choice {
  readonly index: number;
  readonly other: AnyQuestion;
}

export const choices: fc.Arbitrary<readonly Choice[]> = fc.array(
  fc.record({
    index: fc.nat(999),
    other: fc.record({
      to: fc.constantFrom(...[1, 2, 3].flatMap((n) => [clusterIp(n).v4, clusterIp(n).v6, externalIp(9 + n).v4])),
      port: fc.constantFrom(80, 81, 30_001),
      protocol: fc.constantFrom('TCP', 'UDP'),
    }),
  }),
  { minLength: 8, maxLength: 16 },
);

export function choose({ index, other }: Choice, from: readonly AnyQuestion[]): AnyQuestion {
  return index % 4 === 0 ? other : (from[index % Math.max(1, from.length)] ?? other);
}

/** Where a client of that family asks from. */
export function clientOf(to: string): string {
  return client(7)[to.includes(':') ? 'v6' : 'v4'];
}
