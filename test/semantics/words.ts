// SPDX-License-Identifier: Apache-2.0
// Sights in words, for titles of tests and for the document.

import type { Destination, Held, Path, Sight, Source } from './rule.ts';

export function sightText(sight: Sight | Held): string {
  if ('held' in sight) return heldText(sight);
  const where = `${sight.from} → ${destinationText(sight.to)}`;
  const only = [
    ...(sight.families?.length === 1 ? [`IPv${sight.families[0] ?? ''}`] : []),
    ...(sight.transports?.length === 1 ? [sight.transports[0] ?? ''] : []),
  ];
  return `${where}${only.length === 0 ? '' : ` over ${only.join(' ')}`}: ${outcomeText(sight)}`;
}

export function destinationText(to: Destination): string {
  if (typeof to === 'string') return to;
  if ('address' in to) return `${to.address} ${to.port}`;
  const { at, of, port } = to;
  return [at, ...(of === undefined ? [] : [`of ${of}`]), ...(port === undefined ? [] : [`port ${port}`])].join(' ');
}

export function outcomeText({ gets, reaches = [], source, sticks, holds }: Sight): string {
  if (gets !== undefined) return gets;
  const names = `${sticks === undefined ? '' : 'always the same of '}${reaches.join(', ')}`;
  const seen = source === undefined ? '' : sourceText(source);
  return `${names}${seen === '' ? '' : `, ${seen}`}${holds === undefined ? '' : `; stays open as '${holds}'`}`;
}

export function heldText({ held, reaches }: Held): string {
  const outcome = reaches === undefined ? 'goes on' : `goes on with ${reaches.join(' or ')}`;
  return `the connection '${held}' ${outcome}`;
}

// --- internal ---

function sourceText(source: Source | Readonly<Record<Path, Source>>): string {
  if (typeof source === 'string') return SOURCES[source];
  return (['socket', 'packet'] as const).map((path) => `${SOURCES[source[path]]} (${path})`).join(', ');
}

const SOURCES: Readonly<Record<Source, string>> = {
  own: "seen by the client's address",
  node: "seen by this node's address",
  'node if far': "seen by this node's address on the other node",
};
