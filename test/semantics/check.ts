// SPDX-License-Identifier: Apache-2.0
// One sight of a rule, looked at once for each family and transport on one path: what was seen otherwise than it should
// be, in words; nothing if all is well.

import type { Workload } from '../support/workload.ts';
import type { Probe, Seen, Tally } from '../workloads/protocol.ts';
import { waitFor } from '../support/wait.ts';
import { ADDRESSES, BACKEND_PORT, ELSEWHERE, sourceAddress, usualSource, versionOf } from './cast.ts';
import type { Ground } from './ground.ts';
import type { Made } from './objects.ts';
import { frontendOf } from './objects.ts';
import type { Denial, Family, Given, Held, Path, Sight, Transport } from './rule.ts';

/** Where a rule stands: its Services as they are now, and what was seen before. */
export interface Situation {
  readonly ground: Ground;
  readonly services: ReadonlyMap<string, Made>;
  readonly given: ReadonlyMap<string, Given | null>;
  /** The one backend that sights with the same name have met. */
  readonly stuck: Map<string, string>;
  readonly held: Map<string, HeldConnection>;
  /** How long an answer is waited for. Only what fails takes so long. */
  readonly patienceMs: number;
  /** After so many complaints no more is looked at. */
  readonly complaints: number;
}

export interface HeldConnection {
  readonly workload: Workload;
  readonly id: number;
  readonly name: string;
}

interface Case {
  readonly path: Path;
  readonly family: Family;
  readonly transport: Transport;
  readonly label: string;
}

export function pathsOf({ from, paths }: Sight): readonly Path[] {
  if (paths !== undefined) return paths;
  if (from === 'pod' || from === 'near1') return ['socket', 'packet'];
  return from === 'host' ? ['socket'] : ['packet'];
}

export async function look(situation: Situation, sight: Sight, path: Path): Promise<string[]> {
  if (sight.gets === 'echo') return pinged(situation, sight, path);
  const wrong: string[] = [];
  for (const family of sight.families ?? familiesOf(situation, sight)) {
    for (const transport of sight.transports ?? transportsOf(situation, sight)) {
      const label = `IPv${family} ${transport} ${path}`;
      if (wrong.length === situation.complaints) return wrong;
      // Where something is wrong already nobody need wait for the rest.
      const patienceMs = wrong.length === 0 ? situation.patienceMs : IMPATIENCE_MS;
      const complaint = await lookOnce({ ...situation, patienceMs }, sight, { path, family, transport, label });
      if (complaint !== undefined) wrong.push(`${label}: ${complaint}`);
    }
  }
  return wrong;
}

/** Those that were opened, over the families and transports that the sight names. */
export async function lookAtHeld(situation: Situation, sight: Held, path: Path): Promise<string[]> {
  const wrong: string[] = [];
  for (const family of sight.families ?? ([4, 6] as const)) {
    for (const transport of sight.transports ?? (['TCP', 'UDP'] as const)) {
      const label = `IPv${family} ${transport} ${path}`;
      const connection = situation.held.get(`${sight.held} ${label}`);
      if (connection === undefined) continue;
      const complaint = await lookUntilMoved(situation, sight, connection);
      if (complaint !== undefined) wrong.push(`${label}: ${complaint}`);
    }
  }
  return wrong;
}

// --- internal ---

async function pinged(situation: Situation, sight: Sight, path: Path): Promise<string[]> {
  const workload = await situation.ground.client(sight.from, path);
  const wrong: string[] = [];
  for (const family of sight.families ?? familiesOf(situation, sight)) {
    const { host } = destination(situation, sight, { family, transport: 'TCP' });
    const got = await workload.call('ping', { host, timeoutMs: situation.patienceMs });
    if (got !== 'echo') wrong.push(`IPv${family}: ${host} answers with ${got}`);
  }
  return wrong;
}

/** The agent moves senders right after it has said that a change is in the maps, and says nothing when there are none. An
 * answer that is on its way just then comes from whom the sender no longer talks to: it asks again. */
async function lookUntilMoved(
  situation: Situation,
  sight: Held,
  connection: HeldConnection,
): Promise<string | undefined> {
  if (sight.reaches === undefined) return lookAgain(situation, sight, connection);
  const impatient = { ...situation, patienceMs: IMPATIENCE_MS };
  let complaint: string | undefined;
  const isMoved = async (): Promise<boolean> => {
    complaint = await lookAgain(impatient, sight, connection);
    return complaint === undefined;
  };
  await waitFor('the sender to be moved', isMoved, { deadlineMs: situation.patienceMs }).catch(() => undefined);
  return complaint;
}

const IMPATIENCE_MS = 500;

/** As many as leave a backend out that has its full share once in ten million. */
const MOST = 80;
const LEAST = 6;

function howOften({ sticks, sourcePort }: Sight): { least: number; most: number } {
  if (sourcePort !== undefined) return { least: 1, most: 1 };
  return { least: LEAST, most: sticks === undefined ? MOST : LEAST };
}

function givenOf(situation: Situation, sight: Sight): Given {
  return situation.given.get(frontendOf(sight)?.of ?? '') ?? situation.given.get('') ?? {};
}

function familiesOf(situation: Situation, sight: Sight): readonly Family[] {
  return givenOf(situation, sight).families ?? [4, 6];
}

function transportsOf(situation: Situation, sight: Sight): readonly Transport[] {
  const frontend = frontendOf(sight);
  const { ports } = givenOf(situation, sight);
  if (frontend === undefined || ports === undefined || typeof frontend.port === 'number') return ['TCP', 'UDP'];
  const named = ports.filter(({ name }) => frontend.port === undefined || name === frontend.port);
  return (['TCP', 'UDP'] as const).filter((each) => named.some(({ protocol = 'TCP' }) => protocol === each));
}

function destination(
  situation: Situation,
  sight: Sight,
  { family, transport }: Pick<Case, 'family' | 'transport'>,
): { host: string; port: number } {
  const { to } = sight;
  if (typeof to === 'object' && 'address' in to) {
    const { port: nodePort } = destination(situation, { ...sight, to: 'NodePort' }, { family, transport });
    const { ownPort } = serviceOf(situation, '');
    const port = to.port === 'NodePort' ? nodePort : to.port === 'own' ? ownPort : to.port;
    return { host: ELSEWHERE[to.address][versionOf(family)], port };
  }
  const frontend = typeof to === 'string' ? { at: to } : to;
  const made = serviceOf(situation, frontend.of ?? '');
  const version = versionOf(family);
  const ports = made.ports(givenOf(situation, sight));
  const wanted = ports.filter(({ protocol = 'TCP' }) => protocol === transport);
  const named =
    wanted.find(({ name }) => frontend.port === undefined || name === frontend.port) ?? wanted[0] ?? ports[0];
  const port = typeof frontend.port === 'number' ? frontend.port : (named?.port ?? 0);
  const nodePort = typeof frontend.port === 'number' ? frontend.port : (named?.nodePort ?? 0);
  switch (frontend.at) {
    case 'NodePort':
      return { host: ADDRESSES.host[version], port: nodePort };
    case 'far NodePort':
      return { host: ADDRESSES['far host'][version], port: nodePort };
    case 'loopback':
      return { host: family === 4 ? '127.0.0.1' : '::1', port: nodePort };
    default:
      return { host: made.own[frontend.at][version], port };
  }
}

function serviceOf({ services }: Situation, name: string): Made {
  const made = services.get(name);
  if (made === undefined) throw new Error(`the rule has no Service '${name}'`);
  return made;
}

async function lookOnce(situation: Situation, sight: Sight, of: Case): Promise<string | undefined> {
  const workload = await situation.ground.client(sight.from, of.path);
  const { host, port } = destination(situation, sight, of);
  const { patienceMs } = situation;
  // What the network refuses only connected sockets hear of; for others sendmsg() has a hook of its own.
  const byNetwork = of.path === 'packet' || sight.gets === 'untouched' || frontendOf(sight)?.at === 'far NodePort';
  const probe: Probe = {
    transport: of.transport,
    host,
    port,
    timeoutMs: patienceMs,
    connected: byNetwork,
    ...(sight.sourcePort === undefined ? {} : { sourcePort: sight.sourcePort }),
  };
  if (sight.gets === 'echo') throw new Error('an echo has no transport');
  if (sight.holds !== undefined && sight.gets === 'refused') return hold(situation, sight, workload, probe, of);
  if (sight.gets !== undefined) return denied(situation, sight.gets, workload, probe, of);
  if (sight.holds !== undefined) return hold(situation, sight, workload, probe, of);
  const wanted = sight.reaches ?? [];
  const sticky = sight.sticks !== undefined;
  const tally = await workload.call('probe', { ...probe, wanted, ...howOften(sight) });
  const strange = tally.map((seen) => strangeIn(seen, sight, of, probe)).filter((text) => text !== undefined);
  if (strange.length > 0) return strange.join('; ');
  const names = tally.map(({ name }) => name ?? '');
  if (sticky) return stuckTo(situation, `${sight.sticks} ${of.label}`, names);
  const missing = wanted.filter((name) => !names.includes(name));
  return missing.length === 0 ? undefined : `${MOST} times nobody but ${names.join(', ')}, never ${missing.join(', ')}`;
}

function strangeIn(
  seen: Tally | Seen,
  sight: Sight,
  { path, family }: Case,
  { host, port }: Probe,
): string | undefined {
  if (seen.failure !== null) return `to ${host} ${port}: ${seen.failure}`;
  if (sight.reaches?.includes(seen.name as never) !== true) return `reached ${seen.name ?? 'nobody'}`;
  const { source = usualSource(sight.from) } = sight;
  const serving = frontendOf(sight)?.at === 'far NodePort' ? 'node2' : 'node1';
  const of = typeof source === 'string' ? source : source[path];
  const wanted = sourceAddress(of, sight.from, seen.name ?? '', serving, family);
  if (seen.client?.address !== wanted) return `${seen.name ?? ''} saw ${seen.client?.address ?? ''}, not ${wanted}`;
  if (seen.peer?.address === host && seen.peer.port === port) return undefined;
  return `the peer is ${seen.peer?.address ?? 'nobody'} ${seen.peer?.port ?? ''}, not ${host} ${port}`;
}

function stuckTo({ stuck }: Situation, key: string, names: readonly string[]): string | undefined {
  const [first = ''] = names;
  const before = stuck.get(key) ?? first;
  stuck.set(key, before);
  const others = names.filter((name) => name !== before);
  return others.length === 0 ? undefined : `reached ${others.join(', ')} besides ${before}`;
}

async function denied(
  situation: Situation,
  wanted: Denial,
  workload: Workload,
  probe: Probe,
  of: Case,
): Promise<string | undefined> {
  const { ground } = situation;
  if (wanted === 'shut out' || (wanted === 'dropped' && of.path === 'packet')) {
    const mayBe = wanted === 'shut out' ? ground.errnoOf('EHOSTUNREACH') : undefined;
    return unanswered(situation, workload, probe, mayBe);
  }
  const before = ground.drops();
  const [seen] = await workload.call('probe', { ...probe, wanted: [], least: 1, most: 1 });
  const got = seen?.failure ?? `an answer of ${seen?.name ?? 'nobody'}`;
  const error = of.path === 'socket' && wanted !== 'untouched' ? ground.errnoOf(FAILURES[wanted]) : FAILURES[wanted];
  if (got !== error) return `to ${probe.host} ${probe.port}: got ${got}, not ${error}`;
  const counted = ground.drops() > before;
  if (counted === (wanted !== 'untouched')) return undefined;
  return counted ? 'was refused by bpfsvc, not by the host' : 'was refused, but not by bpfsvc: it counted no drop';
}

const FAILURES = { refused: 'refused', dropped: 'EHOSTUNREACH', untouched: 'refused' } as const;

/**
 * Silence has no end to wait for. The question was dropped when the drop is counted; an answer to it would have been
 * made then, and would come before the answer to a question that is put afterwards on the same way.
 */
async function unanswered(
  situation: Situation,
  workload: Workload,
  probe: Probe,
  mayBe: string | undefined,
): Promise<string | undefined> {
  const { ground, patienceMs } = situation;
  const before = ground.drops();
  const { id } = await workload.call('probe.open', probe);
  try {
    const heard = async (): Promise<Seen | null> => workload.call('probe.state', { id });
    const ended = async (): Promise<boolean> => ground.drops() > before || (await heard()) !== null;
    await waitFor('a drop', ended, { deadlineMs: patienceMs, intervalMs: 1 }).catch(() => undefined);
    if (ground.drops() === before) return `${(await heard())?.failure ?? 'no answer'}, but bpfsvc counted no drop`;
    const direct = { ...probe, host: ADDRESSES.host[probe.host.includes(':') ? 'v6' : 'v4'], port: BACKEND_PORT };
    const [marker] = await workload.call('probe', { ...direct, wanted: ['host1'], least: 1, most: 1 });
    if (marker?.name !== 'host1') return `the way to this node is broken: ${JSON.stringify(marker)}`;
    const seen = await heard();
    return seen === null || seen.failure === mayBe
      ? undefined
      : `got ${seen.failure ?? `an answer of ${seen.name ?? ''}`}`;
  } finally {
    await workload.call('probe.close', { id });
  }
}

async function hold(
  situation: Situation,
  sight: Sight,
  workload: Workload,
  probe: Probe,
  of: Case,
): Promise<string | undefined> {
  const { id } = await workload.call('probe.open', { ...probe, connected: true });
  const seen = await workload.call('probe.answer', { id, timeoutMs: situation.patienceMs });
  const strange = sight.gets === 'refused' ? notRefused(seen) : strangeIn(seen, sight, of, probe);
  if (strange !== undefined) {
    await workload.call('probe.close', { id });
    return strange;
  }
  situation.held.set(`${sight.holds ?? ''} ${of.label}`, { workload, id, name: seen.name ?? '' });
  return undefined;
}

function notRefused({ failure, name }: Seen): string | undefined {
  return failure === 'refused' ? undefined : `got ${failure ?? name ?? ''}`;
}

async function lookAgain(situation: Situation, sight: Held, of: HeldConnection): Promise<string | undefined> {
  const { workload, id, name } = of;
  const seen = await workload.call('probe.again', { id, timeoutMs: situation.patienceMs });
  if (seen.failure !== null) return `the connection to ${name} ended: ${seen.failure}`;
  const wanted: readonly string[] = sight.reaches ?? [name];
  return wanted.includes(seen.name ?? '')
    ? undefined
    : `is now with ${seen.name ?? 'nobody'}, not ${wanted.join(' or ')}`;
}
