// SPDX-License-Identifier: Apache-2.0
// Any sequence of changes, faults, restarts and kills: programs never meet a hole on the way, and in the end the maps
// are what the objects say, with nothing left over.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../../src/model/types.ts';
import { maglevTable, tableSize } from '../../../src/plan/maglev.ts';
import { unpackSet } from '../../../src/abi/set-word.ts';
import { SetMode } from '../../../src/abi/enums.gen.ts';
import { backendKey } from '../../../src/reconcile/backend-table.ts';
import { oneInTen } from '../../support/chance.ts';
import type { FakeKernel } from '../../support/fake-lb-maps.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import type { Change } from '../../support/stage.ts';
import { Stage } from '../../support/stage.ts';

type Step =
  | { readonly kind: 'change'; readonly objects: readonly Change[] }
  | { readonly kind: 'kill'; readonly writes: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'sweep' };

// Few of everything, so that Services share addresses, ports and backends and get into each other's way.
const name = fc.constantFrom('a', 'b', 'c');
const flag = fc.boolean();
const policy = fc.constantFrom('Cluster' as const, 'Local' as const);
const shared = (prefix: string): fc.Arbitrary<readonly string[]> =>
  fc.subarray([`${prefix}1`, `${prefix}2`, '2001:db8:e::1']);

const portRecord: fc.Arbitrary<ServicePort> = fc
  .record({
    name: fc.constantFrom('http', 'dns'),
    nodePort: fc.constantFrom(0, 30001, 30002),
    udp: flag,
    port: fc.constantFrom(80, 81),
  })
  .map(({ udp, port: number, ...rest }) => port(number, { ...rest, protocol: udp ? 'UDP' : 'TCP' }));

const service: fc.Arbitrary<Service> = fc
  .record({
    name,
    clusterIPs: fc
      .subarray(['10.96.0.1', '10.96.0.2', 'fd00::1'])
      .filter((ips) => ips.filter((ip) => !ip.includes(':')).length < 2),
    externalIPs: shared('192.0.2.'),
    loadBalancerIPs: shared('192.0.2.'),
    internal: policy,
    external: policy,
    affinity: fc.constantFrom(0, 60),
    ports: fc.uniqueArray(portRecord, { maxLength: 2, selector: (one) => `${one.name}/${one.protocol}` }),
  })
  .map((of) =>
    serviceRecord(of.name, of.clusterIPs, {
      externalIPs: of.externalIPs.map(address),
      loadBalancerIPs: of.loadBalancerIPs.map(address),
      internalTrafficPolicy: of.internal,
      externalTrafficPolicy: of.external,
      affinitySeconds: of.affinity,
      ports: of.ports,
    }),
  );

/** A pod is on the same node whoever names it. */
const pod: fc.Arbitrary<Endpoint> = fc
  .record({
    number: fc.integer({ min: 1, max: 5 }),
    six: flag,
    state: fc.constantFrom('ready', 'ready', 'draining', 'dead'),
  })
  .map(({ number, six, state }) =>
    endpoint(`${six ? 'fd01::' : '10.1.0.'}${number}`, {
      ready: state === 'ready',
      serving: state !== 'dead',
      terminating: state !== 'ready',
      nodeName: ['', 'here', 'there'][number % 3] ?? '',
    }),
  );

const slice: fc.Arbitrary<EndpointSlice> = fc
  .record({
    name,
    part: fc.constantFrom('x', 'y'),
    pods: fc.uniqueArray(pod, { maxLength: 4, selector: (one) => one.address }),
    six: flag,
    ports: fc.uniqueArray(portRecord, { maxLength: 2, selector: (one) => `${one.name}/${one.protocol}` }),
  })
  .map((of) => {
    // A pod in two slices of one Service is in the same state in both: the last of them counts otherwise.
    const pods = of.pods.filter(({ address: text }) => text.includes(':') === of.six);
    const family = of.six ? 6 : 4;
    const ports = of.ports.map(({ name: portName, protocol, port: number }) => ({
      name: portName,
      protocol,
      port: number + of.part.charCodeAt(0),
    }));
    return sliceRecord(of.name, pods, { name: `${of.name}-${of.part}${family}`, family, ports });
  });

const objects: fc.Arbitrary<readonly Change[]> = fc.array(fc.oneof(service, slice, name), {
  minLength: 1,
  maxLength: 4,
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('change' as const), objects }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill' as const), writes: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: 'settle' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sweep' } as const) },
);

async function take(stage: Stage, one: Step): Promise<void> {
  switch (one.kind) {
    case 'change':
      stage.change(...one.objects);
      return;
    case 'kill':
      await stage.kill(one.writes);
      return;
    case 'restart':
      await stage.restart();
      return;
    case 'settle':
      await stage.settled();
      expect(stage.faults()).toEqual([]);
      return;
    case 'sweep':
      await stage.settled();
      expect(await stage.leftovers()).toEqual([]);
  }
}

/** Tables whose slots are not what Maglev makes of their backends. */
function spoiltTables(kernel: FakeKernel): bigint[] {
  return [...new Set(kernel.sets.values())].filter((word) => {
    const { mode, first, count } = unpackSet(word);
    if (mode !== SetMode.Hash) return false;
    const slots = [...(kernel.segments[0] ?? []).slice(first, first + count)].map((id) => {
      const row = kernel.backends.get(id);
      return row === undefined ? 'none' : backendKey(row);
    });
    const keys = [...new Set(slots)].sort();
    const table = maglevTable(keys, tableSize(keys.length));
    return count !== table.length || slots.some((key, slot) => key !== keys[table[slot] ?? 0]);
  });
}

test.each([
  ['', false, 300],
  [' while one operation in ten fails', true, 300],
])(
  'whatever changes and however often the agent is killed%s, programs never meet a hole, and the end is right',
  async (_, faulty, numRuns) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.integer(), async (steps, seed) => {
        const stage = new Stage(faulty ? { fails: oneInTen(seed) } : {});
        try {
          for (const one of steps) await take(stage, one);
          await stage.settled();
          expect(stage.faults()).toEqual([]);
          expect(spoiltTables(stage.kernel)).toEqual([]);
          expect(await stage.leftovers()).toEqual([]);
          await stage.restart();
          await stage.settled();
          expect(stage.maps.writes).toEqual([]);
        } finally {
          await stage.reconciler.stop();
        }
      }),
      { numRuns, endOnFailure: false },
    );
  },
);
