// SPDX-License-Identifier: Apache-2.0
// What is wrong with a manifest, said so that it can be put right: where, which object and field, what it is, and what
// it should be. Problems are state, not exceptions: they live as long as the file is as it is.

export type FieldPath = readonly (string | number)[];

/** A problem before anybody knows the place: found by the checks of one object. */
export interface Issue {
  readonly path: FieldPath;
  readonly message: string;
}

export interface Problem {
  readonly file: string;
  /** From 1; absent when it concerns the whole file. */
  readonly line?: number;
  readonly column?: number;
  /** `Service default/web`. */
  readonly object?: string;
  /** `spec.ports[1].port`. */
  readonly field?: string;
  readonly message: string;
}

export function fieldText(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** `services.yaml:12:9: Service default/web: spec.ports[1].port: 70000 is not a port number; use 1..65535` */
export function problemText(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  return [place, problem.object, problem.field, problem.message].filter((part) => part !== undefined).join(': ');
}

export function compareProblems(a: Problem, b: Problem): number {
  return (
    compareText(a.file, b.file) ||
    (a.line ?? 0) - (b.line ?? 0) ||
    (a.column ?? 0) - (b.column ?? 0) ||
    compareText(a.message, b.message)
  );
}

/** By code units: the same on every machine, whatever its locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
