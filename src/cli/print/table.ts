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
  return lines.map((line) => {
    let text = '';
    for (const [at, { align }] of columns.entries()) {
      text += (at > 0 ? GAP : '') + pad(line[at] ?? '', widths[at] ?? 0, align);
    }
    return text.trimEnd();
  });
}

const GAP = '  ';
const ESCAPE = '\u001b';

/** Without what only colours it. */
export function width(text: string): number {
  return text.includes(ESCAPE) ? stripVTControlCharacters(text).length : text.length;
}

export function pad(text: string, to: number, align?: 'right'): string {
  const space = ' '.repeat(Math.max(0, to - width(text)));
  return align === 'right' ? `${space}${text}` : `${text}${space}`;
}
