// SPDX-License-Identifier: Apache-2.0
// How much work the verifier has with each program, by kernel of the matrix: the record beside this file, what may come
// of it, and how it is written anew.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Program → instructions. */
export type Counts = Readonly<Record<string, number>>;
/** Program → kernel → instructions. */
export type InstructionRecord = Readonly<Record<string, Counts>>;

export const RECORD = fileURLToPath(new URL('instructions.json', import.meta.url));
/** The verifier gives up at a million; long before that, loading takes seconds. */
const GROWTH = 1.2;

export function readRecord(): InstructionRecord {
  return JSON.parse(readFileSync(RECORD, 'utf8')) as InstructionRecord;
}

/** Sentences; empty: all is well. */
export function compareCounts(record: InstructionRecord, kernel: string, counts: Counts): string[] {
  const programs = new Set([...Object.keys(counts), ...Object.keys(record)]);
  return [...programs].sort().flatMap((program) => {
    const [before, now] = [record[program]?.[kernel], counts[program]];
    if (now === undefined) return before === undefined ? [] : [`${program} is in the record and no longer there`];
    if (before === undefined) return [`${program} is not in the record: ${now} instructions`];
    const percent = Math.round((100 * now) / before - 100);
    return now > before * GROWTH ? [`${program} takes ${percent} % more: ${now} instead of ${before}`] : [];
  });
}

/** The record with what one kernel has told, programs and kernels in order. */
export function withCounts(record: InstructionRecord, kernel: string, counts: Counts): InstructionRecord {
  return Object.fromEntries(
    Object.entries(counts)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([program, count]) => {
        const kernels = Object.entries({ ...record[program], [kernel]: count });
        return [program, Object.fromEntries(kernels.sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })))];
      }),
  );
}
