// SPDX-License-Identifier: Apache-2.0
// The composition of `bpfsvc run`: sources, store, reconciler, datapath and sweeper, started in order and stopped in
// reverse. Stopping leaves the datapath on.

import { setTimeout as sleep } from 'node:timers/promises';
import { Datapath } from '../datapath/datapath.ts';
import { SweepProgram } from '../datapath/flow-remover.ts';
import { reservePorts } from '../datapath/reserved-ports.ts';
import { BpfsvcError, messageOf } from '../errors.ts';
import { addon } from '../kernel/addon.ts';
import { probeDatapathFeatures, requireFeatures, requireFor } from '../kernel/features.ts';
import { findCgroup2, isCgroup2 } from '../kernel/mounts.ts';
import { ensureBpffs } from '../kernel/pins.ts';
import type { Logger } from '../log.ts';
import { Store } from '../model/store.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { Sweeper } from '../reconcile/sweeper.ts';
import { ManifestSource } from '../sources/manifests/manifest-source.ts';
import { problemText } from '../sources/manifests/problem.ts';
import { provideObject } from '../toolchain/provide.ts';
import { podPrefixes } from './host-view.ts';
import { Host } from './host.ts';
import { OptOuts } from './opt-outs.ts';
import type { AgentOptions } from './options.ts';
import { SNAT_PORTS } from './options.ts';
import type { Problems } from './problems.ts';
import { SelfReport, serviceProblems, someOf } from './self-report.ts';
import { followUdp } from './udp.ts';

const SWEEP_MS = 5_000;

export interface Agent {
  /** The datapath answers for everything the sources have told. */
  readonly ready: Promise<void>;
  /** Of objects and of Services, in words. */
  problems(): string[];
  /** Ends the agent; what is in the kernel stays and goes on. */
  stop(): Promise<void>;
}

export async function runAgent(options: AgentOptions, log: Logger): Promise<Agent> {
  const parts: Parts = { stack: new AsyncDisposableStack(), report: undefined };
  try {
    return await start(options, log, parts);
  } catch (error) {
    parts.report?.problems.set('start', [messageOf(error)]);
    await parts.stack.disposeAsync();
    throw error;
  }
}

/** What there is of an agent so far. */
interface Parts {
  readonly stack: AsyncDisposableStack;
  report: SelfReport | undefined;
}

async function start(options: AgentOptions, log: Logger, parts: Parts): Promise<Agent> {
  const { stack } = parts;
  await requireFeatures();
  if (options.optOutNetns.length > 0) await requireFor('--opt-out-netns', 'netns-cookie-socket');
  const cgroup = cgroupDirectory(options.cgroup);
  if (ensureBpffs(options.bpffs)) log.info({ directory: options.bpffs }, 'mounted a BPF file system');
  const object = await provideObject({ outDir: options.objects, objectLayout: (file) => addon.objectLayout(file) });
  if (object.compiled) log.info({ object: object.path }, 'compiled the BPF programs');
  const features = probeDatapathFeatures();
  const datapath = await Datapath.open({
    bpffs: options.bpffs,
    object: object.path,
    sizes: options.flowEntries === undefined ? {} : { flows4: options.flowEntries, flows6: options.flowEntries },
    settings: {
      hasSetRetval: Number(features.setRetval),
      hasCoarseClock: Number(features.coarseClock),
      hasNetnsCookie: Number(features.netnsCookie),
      hostNetns: addon.netnsCookie() ?? 0n,
      snatPortMin: SNAT_PORTS.first,
      snatPortCount: SNAT_PORTS.last - SNAT_PORTS.first + 1,
    },
  });
  stack.defer(() => {
    datapath.close();
  });
  log.info({ pins: datapath.pins.paths.directory, ...features }, 'datapath loaded');
  const report = new SelfReport({ directory: datapath.pins.paths.maps, nodeName: options.nodeName });
  parts.report = report;
  stack.defer(() => {
    report.close();
  });
  const { problems } = report;
  reserveSnatPorts(log, problems);

  const host = new Host({
    ...options,
    datapath,
    tcx: features.tcx,
    log,
    onProblems: (messages) => {
      problems.set('host', messages);
    },
  });
  stack.defer(() => {
    host.stop();
  });
  host.start();
  const optOuts = new OptOuts(
    options.optOutNetns,
    (cookies) => {
      datapath.host.setOptedOut(cookies);
    },
    (messages) => {
      problems.set('opt-outs', messages);
    },
    log,
  );
  stack.defer(() => {
    optOuts.stop();
  });
  optOuts.start();

  const store = new Store();
  const reconciler = new Reconciler({
    maps: datapath.lb,
    store,
    nodeName: options.nodeName,
    tableCap: options.tableCap,
    algorithm: options.algorithm,
    podPrefixes: (node) => podPrefixes(options.detectLocal, node),
  });
  logReconciler(reconciler, log);
  const tellServices = (): void => {
    problems.set('services', serviceProblems(reconciler));
  };
  for (const event of ['applied', 'problem', 'keeping', 'released', 'error'] as const) {
    reconciler.on(event, tellServices);
  }
  const udp = followUdp(datapath, reconciler, { log, problems });
  stack.defer(() => udp.stop());
  stack.defer(() => reconciler.stop());
  const source = new ManifestSource({
    paths: options.manifests,
    serviceCidrs: options.serviceCidrs,
    nodePortRange: { first: options.serviceNodePortRange[0], last: options.serviceNodePortRange[1] },
    store,
    log,
    held: () => reconciler.held(),
  });
  stack.defer(() => source.stop());
  source.on('problems', (all) => {
    problems.set('manifests', all.map(problemText));
  });
  const sweeping = new AbortController();
  stack.defer(() => {
    sweeping.abort();
  });

  const ready = new Promise<void>((resolve, reject) => {
    reconciler.once('ready', () => {
      try {
        // Only now: a door that opens before the maps are filled would let Service traffic pass as it is.
        datapath.attachCgroup(cgroup);
        host.openDoors();
        log.info({ cgroup, services: store.services.size }, 'ready');
        report.state = 'ready';
        resolve();
      } catch (error) {
        problems.set('start', [messageOf(error)]);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
  await source.start();
  const tellNode = (): void => {
    host.setNode(store.nodes.get(options.nodeName), store.unreadPlaces.length === 0);
  };
  store.on('change', tellNode);
  tellNode();
  reconciler.start();
  const sweeper = new Sweeper(datapath.lb, new SweepProgram(datapath.program('sweep')), options.timeouts);
  const swept = everySweep(sweeping.signal, async () => {
    await sweep(sweeper, reconciler, { log, problems });
    udp.prune();
    // What has recovered by itself tells nobody.
    tellServices();
  });
  return {
    ready,
    problems: () => problems.list().map(({ about, message }) => `${about}: ${message}`),
    stop: async () => {
      sweeping.abort();
      await swept;
      await stack.disposeAsync();
    },
  };
}

function cgroupDirectory(wanted: string | undefined): string {
  const cgroup = wanted ?? findCgroup2();
  if (cgroup === undefined) throw new BpfsvcError('cgroup2-missing', 'no cgroup v2 hierarchy is mounted');
  if (!isCgroup2(cgroup)) throw new Error(`${cgroup} is not a cgroup v2 directory; name one with --cgroup`);
  return cgroup;
}

function reserveSnatPorts(log: Logger, problems: Problems): void {
  try {
    reservePorts(SNAT_PORTS);
  } catch (error) {
    const ports = `${String(SNAT_PORTS.first)}-${String(SNAT_PORTS.last)}`;
    const message =
      'cannot reserve the SNAT ports: connections of this host may collide with them; make /proc/sys writable';
    log.warn({ ports, err: error }, message);
    problems.set('ports', [message]);
  }
}

function logReconciler(reconciler: Reconciler, log: Logger): void {
  reconciler.on('applied', (round) => {
    log.info(round, 'applied');
  });
  reconciler.on('keeping', ({ services, lists, unread }) => {
    log.warn(
      { services: someOf(services), backendsOf: someOf(lists), unread: someOf(unread) },
      'keeping what cannot be read as it was',
    );
  });
  reconciler.on('released', () => {
    log.info('everything can be read; what nobody wants is removed');
  });
  reconciler.on('problem', (problem) => {
    log.error(problem, 'cannot apply the service');
  });
  reconciler.on('error', (error) => {
    log.error({ err: error }, 'reconciler failed');
  });
}

async function everySweep(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    await sleep(SWEEP_MS, undefined, { signal }).catch(() => undefined);
    if (!stopped()) await step();
  }
}

interface Told {
  readonly log: Logger;
  readonly problems: Problems;
}

async function sweep(sweeper: Sweeper, reconciler: Reconciler, { log, problems }: Told): Promise<void> {
  try {
    const { removed, live } = await sweeper.sweep(reconciler.backends, reconciler.ids, reconciler.balancedByLoad());
    if (removed > 0) log.debug({ removed, live }, 'swept flows');
    problems.set('flows', []);
  } catch (error) {
    log.error({ err: error }, 'cannot sweep flows');
    problems.set('flows', [`cannot sweep flows: ${messageOf(error)}`]);
  }
}
