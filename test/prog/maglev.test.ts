// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointSlice, Service } from '../../src/model/types.ts';
import { Store } from '../../src/model/store.ts';
import { compareAddress } from '../../src/net/ip.ts';
import { unpackSet } from '../../src/abi/set-word.ts';
import { Reconciler } from '../../src/reconcile/reconciler.ts';
import { podAddress } from '../support/address-plan.ts';
import { packet, parsePacket } from '../support/packet.ts';
import type { Cast } from '../support/prog-addresses.ts';
import { addressOf, CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import { end, segment } from '../support/prog-packets.ts';
import { endpoint } from '../support/records.ts';

const TUPLES = 1000;
const BACKENDS = 7;

function serviceOf(name: string, frontend: string): Service {
  return {
    namespace: 'default',
    name,
    type: 'ClusterIP',
    clusterIPs: [addressOf(frontend)],
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    affinitySeconds: 0,
    healthCheckNodePort: 0,
    annotations: {},
  };
}

function sliceOf(cast: Cast, service: string, addresses: readonly string[]): EndpointSlice {
  return {
    namespace: 'default',
    name: `${service}-slice`,
    service,
    family: cast.family,
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: addresses.map((address) => endpoint(address, { nodeName: 'node1' })),
  };
}

/** A node that has learned of the backends in this order, one after the other. */
class LearningNode {
  readonly bench: ProgBench;
  readonly #store = new Store();
  readonly #reconciler: Reconciler;

  constructor(bench: ProgBench) {
    this.bench = bench;
    this.#reconciler = new Reconciler({
      maps: bench.datapath.lb,
      store: this.#store,
      nodeName: 'node1',
      tableCap: 131_071,
    });
  }

  async start(cast: Cast, filler: boolean): Promise<void> {
    // Ids and places of slots differ from the other node's.
    if (filler) {
      this.#store.setService(serviceOf('another', cast.otherFrontend));
      this.#store.setSlice(sliceOf(cast, 'another', [cast.remote, cast.otherRemote]));
    }
    this.#store.setService(serviceOf('web', cast.frontend));
    const ready = Promise.withResolvers<undefined>();
    this.#reconciler.once('ready', () => {
      ready.resolve(undefined);
    });
    this.#reconciler.start();
    await ready.promise;
  }

  async learn(cast: Cast, addresses: readonly string[]): Promise<void> {
    const applied = Promise.withResolvers<undefined>();
    this.#reconciler.once('applied', () => {
      applied.resolve(undefined);
    });
    this.#store.setSlice(sliceOf(cast, 'web', addresses));
    await applied.promise;
  }

  async stop(): Promise<void> {
    await this.#reconciler.stop();
    await this.bench[Symbol.asyncDispose]();
  }

  /** Addresses of the backends that clients are led to. */
  async choices(cast: Cast): Promise<string[]> {
    const frames = Array.from({ length: TUPLES }, (_, i) => {
      const from = cast.family === 4 ? `198.51.100.${i % 200}` : `2001:db8:c::${(i % 200).toString(16)}:1`;
      return packet(segment('S', end(from, 1024 + ((i * 7919) % 60_000)), end(cast.frontend, 80)));
    });
    const outcomes = await this.bench.runMany('tc_ingress', frames);
    return outcomes.map(({ frame }) => parsePacket(frame).dst);
  }

  /** Slots by backend address, of the Service's table. */
  shares(cast: Cast): Map<string, number> {
    const { lb } = this.bench.datapath;
    const frontend = [...lb.frontends()].find(([key]) => key.addr === cast.frontend)?.[1];
    const { first, count } = unpackSet(lb.readSet(frontend?.setExternal ?? 0));
    const shares = new Map<string, number>();
    for (const id of lb.slots(first, count)) {
      const { addr } = lb.readBackend(id);
      shares.set(addr, (shares.get(addr) ?? 0) + 1);
    }
    return shares;
  }
}

describe.each(CASTS)('Maglev on two nodes, IPv$family', (cast) => {
  const all = Array.from({ length: BACKENDS }, (_, i) => podAddress(1, i + 1)[cast.family === 4 ? 'v4' : 'v6']);
  let one: LearningNode;
  let two: LearningNode;

  beforeAll(async () => {
    one = new LearningNode(await ProgBench.open());
    two = new LearningNode(await ProgBench.open());
    await one.start(cast, false);
    await two.start(cast, true);
    for (let known = 1; known <= BACKENDS; known++) await one.learn(cast, all.slice(0, known));
    const backwards = all.toReversed();
    await two.learn(cast, backwards.slice(0, 3));
    await two.learn(cast, [...backwards, cast.remote]);
    await two.learn(cast, backwards);
  });
  afterAll(async () => {
    await one.stop();
    await two.stop();
  });

  it('leads each of a thousand clients to the same backend, in whatever order the backends came', async () => {
    const choices = await one.choices(cast);
    expect(await two.choices(cast)).toEqual(choices);
    expect([...new Set(choices)].map(addressOf).sort(compareAddress)).toEqual(all.map(addressOf).sort(compareAddress));
  });

  it('gives each backend its share of the table, within one per cent', () => {
    const shares = one.shares(cast);
    expect(two.shares(cast)).toEqual(shares);
    const counts = [...shares.values()];
    const fair = counts.reduce((sum, count) => sum + count, 0) / BACKENDS;
    expect(counts).toHaveLength(BACKENDS);
    for (const count of counts) expect(Math.abs(count - fair) / fair).toBeLessThanOrEqual(0.01);
  });

  it('knows the backends under different ids', () => {
    const ids = ({ bench }: LearningNode) =>
      new Map([...bench.datapath.lb.backends()].map(([id, { addr }]) => [addr as string, id]));
    expect(all.map((addr) => ids(one).get(addr))).not.toEqual(all.map((addr) => ids(two).get(addr)));
  });
});
