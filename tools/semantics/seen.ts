// SPDX-License-Identifier: Apache-2.0
// What is seen of a rule, in lines for a cell of a table: sights that differ only in who asks, or in what is asked, share
// a line. Pure.

import { destinationText, heldText, outcomeText } from '../../test/semantics/words.ts';
import type { Held, Rule, Sight } from '../../test/semantics/rule.ts';
import { serviceText } from './given.ts';

export function seenText(rule: Rule): string {
  const lines = sightLines(rule.seen ?? [], rule);
  for (const { when, seen, given } of rule.steps ?? []) {
    const change = given === undefined || given === null ? '' : serviceText(given);
    lines.push(`_${when}_${change === '' ? '' : ` (${change})`}:`, ...sightLines(seen, rule));
  }
  return lines.join('\n');
}

// --- internal ---

interface Line {
  readonly from: string[];
  readonly to: string[];
  readonly what: string;
}

function sightLines(seen: readonly (Sight | Held)[], rule: Rule): string[] {
  const held = seen.filter((sight) => 'held' in sight).map((sight) => `${heldText(sight)}${mark(sight, rule)}`);
  const sights = seen.filter((sight): sight is Sight => !('held' in sight));
  const byFrom = group(
    sights.map((sight) => ({
      from: [sight.from],
      to: [destinationText(sight.to)],
      what: `${conditionsOf(sight)}${outcomeText(sight)}${mark(sight, rule)}`,
    })),
    ({ to, what }) => `${to.join()} ${what}`,
    (line, other) => line.from.push(...other.from),
  );
  const both = group(
    byFrom,
    ({ from, what }) => `${from.join()} ${what}`,
    (line, other) => line.to.push(...other.to),
  );
  return [...both.map(({ from, to, what }) => `${from.join(', ')} → ${to.join(', ')}: ${what}`), ...held];
}

function group(lines: readonly Line[], keyOf: (line: Line) => string, join: (line: Line, other: Line) => void): Line[] {
  const groups = new Map<string, Line>();
  for (const line of lines) {
    const key = keyOf(line);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { ...line, from: [...line.from], to: [...line.to] });
    else join(known, line);
  }
  return [...groups.values()];
}

function conditionsOf({ families = [], transports = [], paths = [] }: Sight): string {
  const only = [
    ...(families.length === 1 ? [`IPv${families.join('')}`] : []),
    ...(transports.length === 1 ? transports : []),
    ...(paths.length === 1 ? [`by ${paths.join('')}`] : []),
  ];
  return only.length === 0 ? '' : `${only.join(' ')} `;
}

function mark(sight: Sight | Held, rule: Rule): string {
  const pending = sight.pending ?? rule.pending;
  if (pending === undefined) return '';
  if (typeof pending === 'string') return ' (not yet)';
  return ` (not yet by ${Object.keys(pending).join(', ')})`;
}
