// SPDX-License-Identifier: Apache-2.0
// What the demo says: numbered steps, lines of what was seen, and the table at the end. It decides nothing.

import { stripVTControlCharacters, styleText } from 'node:util';

export interface Finding {
  readonly shown: string;
  readonly seen: string;
  readonly ok: boolean;
}

export class Report {
  readonly findings: Finding[] = [];
  #steps = 0;

  get ok(): boolean {
    return this.findings.length > 0 && this.findings.every(({ ok }) => ok);
  }

  step(title: string): void {
    print(`\n${paint('bold', `${String(++this.#steps).padStart(2)}  ${title}`)}`);
  }

  note(text: string): void {
    print(indented(text));
  }

  command(line: string): void {
    print(indented(paint('cyan', `$ ${line}`)));
  }

  /** Output of a program, as it is. */
  output(text: string): void {
    print(indented(paint('dim', text.trimEnd())));
  }

  finding(shown: string, seen: string, ok: boolean): void {
    this.findings.push({ shown, seen, ok });
    print(`    ${mark(ok)} ${seen}`);
  }

  table(rows: readonly (readonly string[])[]): void {
    print(indented(align(rows)));
  }

  summary(elapsedMs: number): void {
    print(`\n${paint('bold', '    What was shown')}`);
    const rows = this.findings.map(({ shown, seen, ok }) => [mark(ok), shown, seen]);
    print(indented(align(rows)));
    const failed = this.findings.filter(({ ok }) => !ok).length;
    const verdict = failed === 0 ? paint('green', 'All of it worked.') : paint('red', `${failed} of it did not work.`);
    print(`\n    ${verdict} ${(elapsedMs / 1000).toFixed(1)} s.`);
  }
}

export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

// --- internal ---

function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

function mark(ok: boolean): string {
  return ok ? paint('green', 'ok  ') : paint('red', 'FAIL');
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}

function align(rows: readonly (readonly string[])[]): string {
  const plain = (cell: string): number => stripVTControlCharacters(cell).length;
  const widths: number[] = [];
  for (const row of rows) for (const [n, cell] of row.entries()) widths[n] = Math.max(widths[n] ?? 0, plain(cell));
  const pad = (cell: string, n: number): string => cell + ' '.repeat(Math.max(0, (widths[n] ?? 0) - plain(cell)));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
