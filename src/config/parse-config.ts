// SPDX-License-Identifier: Apache-2.0
// From the text of a configuration file to its documents. Everything wrong is told at once, by line and field; what
// kube-proxy lets pass with a word (unknown and repeated fields) becomes a warning.

import type * as z from 'zod';
import { isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { Document } from 'yaml';
import type { FieldPath, Problem } from '../sources/manifests/problem.ts';
import { compareProblems, fieldText, problemText } from '../sources/manifests/problem.ts';
import { ConfigurationError } from './configuration-error.ts';
import { BPFSVC_API, BPFSVC_KIND, bpfsvcSchema } from './bpfsvc.ts';
import type { BpfsvcConfiguration } from './bpfsvc.ts';
import { KUBE_PROXY_API, KUBE_PROXY_KIND, kubeProxySchema } from './kube-proxy.ts';
import type { KubeProxyConfiguration } from './kube-proxy.ts';

export interface Configuration {
  readonly kubeProxy: KubeProxyConfiguration | undefined;
  readonly bpfsvc: BpfsvcConfiguration | undefined;
  /** One line each. */
  readonly warnings: readonly string[];
}

const DOCUMENTS: Readonly<Record<string, 'kubeProxy' | 'bpfsvc'>> = {
  [`${KUBE_PROXY_API} ${KUBE_PROXY_KIND}`]: 'kubeProxy',
  [`${BPFSVC_API} ${BPFSVC_KIND}`]: 'bpfsvc',
};

export function parseConfiguration(text: string, file: string): Configuration {
  const reader = new Reader(file);
  let kubeProxy: KubeProxyConfiguration | undefined;
  let bpfsvc: BpfsvcConfiguration | undefined;
  const seen = new Set<string>();
  for (const document of parseAllDocuments(text, { lineCounter: reader.lines })) {
    const value = withoutNulls(document.toJS());
    if (value === undefined && document.errors.length === 0) continue;
    const { apiVersion, kind } = (value ?? {}) as { apiVersion?: unknown; kind?: unknown };
    const name = `${String(apiVersion)} ${String(kind)}`;
    const which = DOCUMENTS[name];
    if (!reader.isSound(document, which === 'kubeProxy')) break;
    if (which === undefined) reader.errorAt(document, [], unknownKind(apiVersion, kind));
    else if (seen.has(which)) reader.errorAt(document, [], `is a second ${String(kind)}; write one`);
    else if (which === 'kubeProxy') kubeProxy = reader.check(document, kubeProxySchema, value, true);
    else bpfsvc = reader.check(document, bpfsvcSchema, value, false);
    seen.add(which ?? name);
  }
  if (reader.errors.length > 0)
    throw new ConfigurationError(reader.errors.sort(compareProblems).map(problemText).join('\n'));
  return { kubeProxy, bpfsvc, warnings: reader.warnings.map(problemText) };
}

// --- internal ---

class Reader {
  readonly lines = new LineCounter();
  readonly errors: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** False: not YAML, and an error was added. Of two fields of one name the last one counts, where kube-proxy is lenient. */
  isSound(document: Document, lenient: boolean): boolean {
    for (const { code, message, linePos } of document.errors) {
      const line = linePos?.[0].line;
      if (code !== 'DUPLICATE_KEY') {
        this.errors.push(this.#problem(line, undefined, `is not YAML: ${message.split('\n')[0] ?? ''}`));
        return false;
      }
      if (lenient)
        this.warnings.push(this.#problem(line, undefined, 'this field stands here twice; the last one counts'));
      else this.errors.push(this.#problem(line, undefined, 'this field stands here twice; write it once'));
    }
    return true;
  }

  errorAt(document: Document, path: FieldPath, message: string): void {
    this.errors.push(this.#problem(this.#line(document, path), fieldText(path), message));
  }

  /** Undefined: errors were added. */
  check<S extends z.ZodType>(document: Document, schema: S, value: unknown, lenient: boolean): z.infer<S> | undefined {
    const first = schema.safeParse(value);
    if (first.success) return first.data;
    const unknown = first.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key] as FieldPath) : [],
    );
    for (const path of unknown) {
      const problem = this.#problem(this.#line(document, path), fieldText(path), 'is not a field of this kind');
      (lenient ? this.warnings : this.errors).push(
        lenient ? { ...problem, message: `${problem.message}; ignored` } : problem,
      );
      remove(value, path);
    }
    const second = schema.safeParse(value);
    if (second.success) return second.data;
    for (const { path, message } of second.error.issues) this.errorAt(document, path as FieldPath, message);
    return undefined;
  }

  /** Of the field, or of what it is missing in. */
  #line(document: Document, path: FieldPath): number | undefined {
    for (let length = path.length; length >= 0; length--) {
      const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.lines.linePos(node.range[0]).line;
    }
    return undefined;
  }

  #problem(line: number | undefined, field: string | undefined, message: string): Problem {
    return {
      file: this.#file,
      ...(line !== undefined && { line }),
      ...(field !== undefined && field !== '' && { field }),
      message,
    };
  }
}

function unknownKind(apiVersion: unknown, kind: unknown): string {
  const known = Object.keys(DOCUMENTS).map((name) => name.split(' ').reverse().join(' of '));
  const named = typeof kind === 'string' && typeof apiVersion === 'string';
  return `${named ? `is ${kind} of ${apiVersion}` : 'names no apiVersion and kind'}; use ${known.join(' or ')}`;
}

/** kubeadm writes null for what is not set. Undefined: nothing is left. */
function withoutNulls(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls).filter((item) => item !== undefined);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, of]) => {
      const kept = withoutNulls(of);
      return kept === undefined ? [] : [[key, kept]];
    }),
  );
}

function remove(value: unknown, path: FieldPath): void {
  let parent = value;
  for (const part of path.slice(0, -1)) parent = (parent as Record<string | number, unknown>)[part];
  const last = path.at(-1);
  if (last !== undefined) Reflect.deleteProperty(parent as object, last);
}
