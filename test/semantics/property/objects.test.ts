// SPDX-License-Identifier: Apache-2.0
// Any objects, however they change: the plan, the kernel, and a plain reading of the specification give the same answer.

import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { Store } from '../../../src/model/store.ts';
import { isForeign, toService, toSlice } from '../../../src/sources/kubernetes/convert.ts';
import type { EndpointSliceObject, ServiceObject } from '../../../src/sources/kubernetes/objects.ts';
import { Reconciler } from '../../../src/reconcile/reconciler.ts';
import { both, podCidr } from '../../support/address-plan.ts';
import { testSeed } from '../../support/chance.ts';
import { addressOf, HOST } from '../../support/prog-addresses.ts';
import { ProgBench } from '../../support/prog-bench.ts';
import { waitFor } from '../../support/wait.ts';
import { KernelAnswers } from './kernel-answer.ts';
import { askPlan } from './plan-answer.ts';
import type { Change } from './random-objects.ts';
import { beginning, changes, choices, choose, clientOf, questionsOf } from './random-objects.ts';
import type { World } from './reading.ts';
import { read } from './reading.ts';

const NODE = 'node1';
const ADDRESSES = both(HOST.node);
const RUNS = 60;

let bench: ProgBench;
let kernel: KernelAnswers;

beforeAll(async () => {
  bench = await ProgBench.open();
  // Backends of which nobody says where they are: the routes do.
  const { v4, v6 } = podCidr(1);
  await bench.namespace.ip(
    'link add pods type veth peer podsx',
    'link set pods up',
    'link set podsx up',
    `route add ${v4} dev pods`,
    `route add ${v6} dev pods`,
  );
  bench.datapath.host.setNodeAddresses(ADDRESSES.map(addressOf));
  kernel = new KernelAnswers(bench);
  return () => bench[Symbol.asyncDispose]();
});

/** Objects as they are now, in JSON for the reading, in the store for plan and kernel. */
class Cluster implements AsyncDisposable {
  readonly store = new Store();
  readonly #services = new Map<string, ServiceObject>();
  readonly #slices = new Map<string, EndpointSliceObject>();
  readonly #reconciler: Reconciler;
  #zone = '';

  constructor() {
    this.#reconciler = new Reconciler({
      maps: bench.datapath.lb,
      store: this.store,
      nodeName: NODE,
      tableCap: 251,
    });
    this.#reconciler.on('error', (error) => {
      throw error instanceof Error ? error : new Error(String(error));
    });
    this.#reconciler.start();
  }

  get world(): World {
    return {
      services: [...this.#services.values()],
      slices: [...this.#slices.values()],
      node: { name: NODE, zone: this.#zone, addresses: ADDRESSES },
    };
  }

  async apply(some: readonly Change[]): Promise<void> {
    for (const change of some) this.#apply(change);
    await waitFor('the reconciler to be done', () => this.#reconciler.isIdle, { intervalMs: 1 });
    expect(this.#reconciler.problems()).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.apply([...this.#services.keys()].map((name) => ({ kind: 'delete service', name })));
    await this.#reconciler.stop();
  }

  #apply(change: Change): void {
    const { store } = this;
    switch (change.kind) {
      case 'service': {
        const { object } = change;
        this.#services.set(object.metadata.name, object);
        // The label keeps it from the watch.
        if (isForeign(object)) store.deleteService(`default/${object.metadata.name}`);
        else store.setService(toService(object));
        return;
      }
      case 'slice': {
        const { object } = change;
        this.#slices.set(object.metadata.name, object);
        const slice = toSlice(object);
        if (slice === undefined) this.#deleteSlice(object.metadata.name);
        else store.setSlice(slice);
        return;
      }
      case 'delete service':
        this.#services.delete(change.name);
        store.deleteService(`default/${change.name}`);
        return;
      case 'delete slice':
        this.#slices.delete(change.name);
        this.#deleteSlice(change.name);
        return;
      case 'zone':
        this.#zone = change.zone;
        store.setNode({ name: NODE, addresses: [], podCIDRs: [], zone: change.zone });
    }
  }

  #deleteSlice(name: string): void {
    const service = name.replace(/^slice-(\d+)-.*/, 'service-$1');
    this.store.deleteSlice({ namespace: 'default', service, name });
  }
}

test('after any changes of any objects, plan and kernel answer as the specification reads', async () => {
  const seed = testSeed();
  const steps = fc.tuple(
    fc.record({ changes: beginning, asked: choices }),
    fc.array(fc.record({ changes, asked: choices }), { maxLength: 5 }),
  );
  await fc.assert(
    fc.asyncProperty(steps, async ([first, more]) => {
      await using cluster = new Cluster();
      for (const step of [first, ...more]) {
        await cluster.apply(step.changes);
        const { world } = cluster;
        const claimed = questionsOf(world.services, ADDRESSES);
        for (const choice of step.asked) {
          const asked = choose(choice, claimed);
          const question = { ...asked, from: clientOf(asked.to) };
          const wanted = read(world, question);
          const node = { name: NODE, zone: world.node.zone };
          const answers = {
            plan: askPlan(cluster.store, node, ADDRESSES, question),
            kernel: await kernel.ask(question, wanted),
          };
          expect({ question, ...answers }).toEqual({ question, plan: wanted, kernel: wanted });
        }
      }
    }),
    { seed, numRuns: RUNS },
  );
});
