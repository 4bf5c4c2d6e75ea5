// SPDX-License-Identifier: Apache-2.0
// What bpfsvc wants of the kernel, whether this one has it, and what takes its place. `bpfsvc check` prints the table,
// `bpfsvc run` refuses by it and configures the datapath by a part of it. Answers come from probes.ts, never from a
// version.

import { release } from 'node:os';
import { BpfsvcError } from '../errors.ts';
import type { Feature, FeatureReport } from './features/feature.ts';
import { probeAll } from './features/feature.ts';
import { MACHINE_FEATURES } from './features/machine.ts';
import { MAP_FEATURES } from './features/maps.ts';
import { PROGRAM_FEATURES } from './features/programs.ts';
import * as probes from './probes.ts';

export type { Feature, FeatureReport };

export const FEATURES: readonly Feature[] = [...MACHINE_FEATURES, ...MAP_FEATURES, ...PROGRAM_FEATURES];

/** What can refuse, but for cgroup v2, which `run` may be told a place of. */
const NEEDED_TO_RUN = FEATURES.filter(
  (feature) =>
    feature.id !== 'cgroup2' &&
    (feature.needed === 'required' || (feature.needed === 'preferred' && feature.substitute !== undefined)),
);

export interface DatapathFeatures {
  readonly tcx: boolean;
  readonly setRetval: boolean;
  readonly coarseClock: boolean;
  /** Programs can read it. Whether the agent can, too (SO_NETNS_COOKIE), is another question: without, only the initial
   * namespace can be told from others. */
  readonly netnsCookie: boolean;
}

/** Quick: it stands in the way of every start. */
export function probeDatapathFeatures(): DatapathFeatures {
  return {
    tcx: probes.hasTcx(),
    setRetval: probes.helperInConnect(probes.HELPER.setRetval),
    coarseClock: probes.helperInTc(probes.HELPER.ktimeGetCoarseNs),
    netnsCookie: probes.helperInConnect(probes.HELPER.getNetnsCookie),
  };
}

/** One report for each of FEATURES, in their order. */
export function probeFeatures(features: readonly Feature[] = FEATURES): Promise<FeatureReport[]> {
  return probeAll(features);
}

/** Throws where bpfsvc cannot run, naming each feature that lacks, the kernel and the remedy. */
export async function requireFeatures(features: readonly Feature[] = NEEDED_TO_RUN): Promise<void> {
  const reports = await probeAll(features);
  const refused = reports.filter(({ state }) => state === 'refused');
  if (refused.length === 0) return;
  // Without the right to ask, the others' answers say nothing.
  const told = refused.filter(({ id }) => id === 'bpf');
  const lines = (told.length > 0 ? told : refused).map(
    ({ id, detail }) => `${whatIs(features, id)} (${id}): ${detail}`,
  );
  throw new BpfsvcError(
    'kernel-refused',
    `Linux ${release()} will not do for bpfsvc, it lacks ${lines.join('; and ')}`,
  );
}

/** Throws where an option asks for what has no substitute on this kernel. */
export async function requireFor(option: string, id: string, features: readonly Feature[] = FEATURES): Promise<void> {
  const reports = await probeAll(features.filter((feature) => feature.id === id));
  const [lacking] = reports.filter(({ probed }) => probed !== 'yes');
  if (lacking === undefined) return;
  const what = `${whatIs(features, id)} (${id}): ${lacking.detail}`;
  throw new BpfsvcError(
    'kernel-refused',
    `${option} cannot be followed on Linux ${release()}, it lacks ${what}; leave it out`,
  );
}

// --- internal ---

function whatIs(features: readonly Feature[], id: string): string {
  return features.find((feature) => feature.id === id)?.what ?? id;
}
