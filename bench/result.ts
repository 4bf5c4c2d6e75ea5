// SPDX-License-Identifier: Apache-2.0
// What a benchmark reports, as a table and as JSON. Pure.

/** One figure. ratio: how it compares with the case named `of`, measured in the same run in turns; 1 is equal and more is
 * better, whatever the unit. */
export interface Figure {
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly ratio: number | null;
  readonly of: string | null;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.case,
    figure.metric,
    figure.value.toLocaleString('en', { maximumFractionDigits: figure.value < 100 ? 2 : 0 }),
    figure.unit,
    figure.ratio === null ? '' : figure.ratio.toFixed(3),
    figure.of === null ? '' : `of ${figure.of}`,
  ]);
  const header = ['case', 'metric', 'value', 'unit', 'ratio', ''];
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const right = new Set([2, 4]);
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, i) => (right.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
