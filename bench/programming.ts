// SPDX-License-Identifier: Apache-2.0
// The control plane alone, on real maps in a BPF file system of its own: how long 10,000 Services of 10 backends take from
// parsed objects to the last flip, and one endpoint's change among them.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../test/support/command.ts';
import { Datapath } from '../src/datapath/datapath.ts';
import { addon } from '../src/kernel/addon.ts';
import { ensureBpffs } from '../src/kernel/pins.ts';
import { Store } from '../src/model/store.ts';
import type { EndpointSlice, EndpointState, Service } from '../src/model/types.ts';
import { parseAddress } from '../src/net/ip.ts';
import type { Address } from '../src/net/ip.ts';
import { Reconciler } from '../src/reconcile/reconciler.ts';
import { provideObject } from '../src/toolchain/provide.ts';
import type { Figure } from './result.ts';
import { median, percentile } from './result.ts';

export const SERVICES = 10_000;
export const BACKENDS = 10;

export async function benchProgramming(rounds: number, changes: number): Promise<Figure[]> {
  const full: number[] = [];
  const single: number[] = [];
  const restart: number[] = [];
  let mapBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const result = await oneRound(round === rounds - 1 ? changes : 0);
    full.push(result.fullMs);
    restart.push(result.restartMs);
    single.push(...result.changesMs);
    mapBytes = result.mapBytes;
  }
  const figure = (metric: string, value: number, unit: string): Figure => ({
    case: `${SERVICES} services x ${BACKENDS}`,
    metric,
    value,
    unit,
    ratio: null,
    of: null,
  });
  return [
    figure('full programming', median(full), 'ms'),
    figure('restart, nothing to do', median(restart), 'ms'),
    figure('one endpoint change p50', percentile(single, 0.5), 'ms'),
    figure('one endpoint change p99', percentile(single, 0.99), 'ms'),
    figure('kernel maps', mapBytes / 2 ** 20, 'MiB'),
  ];
}

async function oneRound(changes: number) {
  const bpffs = mkdtempSync(path.join(tmpdir(), 'bpfsvc-bench-'));
  ensureBpffs(bpffs);
  try {
    const object = await provideObject({ objectLayout: (file) => addon.objectLayout(file) });
    const options = { bpffs, object: object.path, settings: {}, sizes: {} };
    const store = new Store();
    fill(store);
    const datapath = await Datapath.open(options);
    const first = await synced(datapath, store);
    const changesMs = await changeOneByOne(first.reconciler, store, changes);
    const mapBytes = memory(datapath);
    await first.reconciler.stop();
    datapath.close();

    const again = new Store();
    fill(again);
    const reopened = await Datapath.open(options);
    const second = await synced(reopened, again);
    await second.reconciler.stop();
    reopened.close();
    return { fullMs: first.ms, restartMs: second.ms, changesMs, mapBytes };
  } finally {
    await run('umount', [bpffs]);
    await rm(bpffs, { recursive: true });
  }
}

async function synced(datapath: Datapath, store: Store): Promise<{ reconciler: Reconciler; ms: number }> {
  const started = performance.now();
  const reconciler = new Reconciler({ maps: datapath.lb, store, nodeName: 'node1', tableCap: 131_071 });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  reconciler.once('ready', () => {
    resolve(undefined);
  });
  reconciler.start();
  await promise;
  return { reconciler, ms: performance.now() - started };
}

/** From the parsed slice put into the store to the flip. */
async function changeOneByOne(reconciler: Reconciler, store: Store, changes: number): Promise<number[]> {
  const durations: number[] = [];
  for (let i = 0; i < changes; i++) {
    const slice = sliceOf(i % SERVICES, 1 + Math.floor(i / SERVICES) + (i % 7));
    const { promise, resolve } = Promise.withResolvers<undefined>();
    reconciler.once('applied', () => {
      resolve(undefined);
    });
    const started = performance.now();
    store.setSlice(slice);
    await promise;
    durations.push(performance.now() - started);
  }
  return durations;
}

function memory(datapath: Datapath): number {
  let bytes = 0;
  for (const map of Object.values(datapath.maps)) bytes += ('native' in map ? map.native : map).info().memlock;
  return bytes + datapath.lb.slotSegments() * 4 * 2 ** 20;
}

function fill(store: Store): void {
  for (let i = 0; i < SERVICES; i++) {
    store.setService(serviceOf(i));
    store.setSlice(sliceOf(i, 0));
  }
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

export function serviceOf(i: number): Service {
  return {
    namespace: 'bench',
    name: `service-${i}`,
    type: 'ClusterIP',
    clusterIPs: [address(`198.18.${64 + (i >> 8)}.${i & 255}`)],
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 0 }],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    affinitySeconds: 0,
    healthCheckNodePort: 0,
    annotations: {},
  };
}

const ON_NODE1: EndpointState = {
  ready: true,
  serving: true,
  terminating: false,
  nodeName: 'node1',
  zone: '',
  forZones: [],
  forNodes: [],
};
const ON_NODE2: EndpointState = { ...ON_NODE1, nodeName: 'node2' };

/** replaced: which of the endpoints has another address than at first, 0 for none. */
export function sliceOf(i: number, replaced: number): EndpointSlice {
  return {
    namespace: 'bench',
    name: `service-${i}-slice`,
    service: `service-${i}`,
    family: 4,
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: BACKENDS }, (_, n) => {
      const pod = i * 16 + n + (n + 1 === replaced ? 6 : 0);
      return {
        address: address(`10.${64 + (pod >> 16)}.${(pod >> 8) & 255}.${pod & 255}`),
        state: n % 2 === 0 ? ON_NODE1 : ON_NODE2,
      };
    }),
  };
}
