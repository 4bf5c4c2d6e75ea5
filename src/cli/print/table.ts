// SPDX-License-Identifier: Apache-2.0
// Columns of text, as wide as they need to be. Numbers to the right, everything else to the left, nothing drawn.

import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly header: string;
  readonly align?: 'right';
}

/** One line a row, without spaces at the end. Header only where it is given. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], header = true): string[] {
  const lines = header ? [columns.map((column) => column.header), ...rows] : rows;
  const widths = columns.map((_, at) => lines.reduce((most, line) => Math.max(most, width(line[at] ?? '')), 0));
  return lines.map((line) =>
    columns
      .map(({ align }, at) => pad(line[at] ?? '', widths[at] ?? 0, align))
      .join('  ')
      .trimEnd(),
  );
}

/** Without what only colours it. */
export function width(text: string): number {
  return stripVTControlCharacters(text).length;
}

export function pad(text: string, to: number, align?: 'right'): string {
  const space = ' '.repeat(Math.max(0, to - width(text)));
  return align === 'right' ? `${space}${text}` : `${text}${space}`;
}
