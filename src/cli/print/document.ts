// SPDX-License-Identifier: Apache-2.0
// A command's result in the form that -o asks for. JSON and YAML hold the same; a table is the command's own.

export const FORMATS = ['table', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** Takes text, in pieces; stdout in life. */
export type Write = (text: string) => void;

export interface Printable {
  /** Lines for people. */
  table(): Iterable<string>;
  /** What docs/cli.md describes. */
  data(): unknown;
}

export async function print(format: Format, result: Printable, write: Write): Promise<void> {
  switch (format) {
    case 'table':
      writeTogether(write, (add) => {
        for (const line of result.table()) add(`${line}\n`);
      });
      return;
    case 'json':
      write(`${toJson(result.data(), 2)}\n`);
      return;
    case 'yaml':
      write(await toYaml(result.data()));
  }
}

const TOGETHER_CHARACTERS = 2 ** 16;

/** Many small pieces in few large ones: each write is a system call, and there may be a million lines. */
export function writeTogether(write: Write, produce: (add: Write) => void): void {
  let waiting = '';
  produce((text) => {
    waiting += text;
    if (waiting.length < TOGETHER_CHARACTERS) return;
    write(waiting);
    waiting = '';
  });
  if (waiting !== '') write(waiting);
}

/** Counters have 64 bits: a number where that is exact, and digits as text beyond 2^53. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, of: unknown) => {
      if (typeof of !== 'bigint') return of;
      return of <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(of) : String(of);
    },
    indent,
  );
}

export async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  // The same values as in JSON, big counters too.
  return stringify(JSON.parse(toJson(value)), { aliasDuplicateObjects: false });
}
