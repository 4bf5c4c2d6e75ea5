// SPDX-License-Identifier: Apache-2.0
// What a feature is, and from a probe's answer to what is told of it. Knows no feature by name.

export interface Answer {
  readonly ok: boolean;
  /** Where, how, or why not; may be empty. */
  readonly detail: string;
}

interface Probed {
  readonly id: string;
  readonly what: string;
  /** The first kernel that has it, for people; nothing is decided by it. */
  readonly since: string;
  /** Throws where it cannot ask; that is no answer. */
  probe(): Answer | Promise<Answer>;
}

/** Nothing can take its place. */
export interface Required extends Probed {
  readonly needed: 'required';
  readonly remedy: string;
}

export interface Preferred extends Probed {
  readonly needed: 'preferred';
  readonly fallback: string;
  /** Where the fallback may lack, too: then bpfsvc cannot run. */
  readonly substitute?: { readonly remedy: string; probe(): Answer | Promise<Answer> };
}

/** Nothing uses it yet; that it is there, or not, is good to know all the same. */
export interface Unused extends Probed {
  readonly needed: 'unused';
  /** What is done on every kernel. */
  readonly instead: string;
}

export type Feature = Required | Preferred | Unused;

export interface FeatureReport {
  readonly id: string;
  /** Whether this kernel has it; unknown: the probe itself failed. */
  readonly probed: 'yes' | 'no' | 'unknown';
  /** refused: bpfsvc does not run here. */
  readonly state: 'native' | 'fallback' | 'refused' | 'unused';
  /** What the datapath or agent works with on this machine; empty when refused. */
  readonly uses: string;
  /** Where, how, or why not; of what is refused also the remedy. */
  readonly detail: string;
}

/** One report for each, in their order. */
export async function probeAll(features: readonly Feature[]): Promise<FeatureReport[]> {
  const reports: FeatureReport[] = [];
  // One after the other: some of them change limits or make namespaces for a moment.
  for (const feature of features) reports.push(await report(feature));
  return reports;
}

// --- internal ---

type Outcome = Pick<FeatureReport, 'probed' | 'detail'>;

async function report(feature: Feature): Promise<FeatureReport> {
  const outcome = await ask(feature, feature.since);
  const { id, what } = feature;
  if (feature.needed === 'unused') return { id, ...outcome, state: 'unused', uses: feature.instead };
  if (outcome.probed === 'yes') return { id, ...outcome, state: 'native', uses: what };
  if (feature.needed === 'required') return refused(id, outcome, outcome.detail, feature.remedy);
  const { substitute, fallback } = feature;
  if (substitute !== undefined) {
    const second = await ask(substitute);
    if (second.probed !== 'yes') return refused(id, outcome, joined(outcome.detail, second.detail), substitute.remedy);
  }
  return { id, ...outcome, state: 'fallback', uses: fallback };
}

function refused(id: string, { probed }: Outcome, why: string, remedy: string): FeatureReport {
  return { id, probed, state: 'refused', uses: '', detail: joined(why, remedy) };
}

async function ask(of: Pick<Probed, 'probe'>, since?: string): Promise<Outcome> {
  try {
    const { ok, detail } = await of.probe();
    if (ok) return { probed: 'yes', detail };
    return { probed: 'no', detail: detail === '' && since !== undefined ? `came with ${since}` : detail };
  } catch (error) {
    return { probed: 'unknown', detail: error instanceof Error ? error.message : String(error) };
  }
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('; ');
}

export function answer(ok: boolean, detail = ''): Answer {
  return { ok, detail };
}
