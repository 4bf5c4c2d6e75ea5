// SPDX-License-Identifier: Apache-2.0
// From an error to what the terminal shows and the status the process ends with. Messages end with a remedy already,
// but for a few refusals of the kernel whose remedy only the command line knows.

import { CommanderError } from 'commander';
import { ConfigurationError } from '../config/configuration-error.ts';
import { BpfsvcError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { UsageError } from './usage-error.ts';

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

export interface Report {
  readonly text: string;
  readonly status: number;
}

/** debug: with stacks and causes. */
export function reportError(error: unknown, { debug = false, root = true } = {}): Report {
  // Commander has printed what there was to say, help and version too.
  if (error instanceof CommanderError) return { text: '', status: error.exitCode === 0 ? 0 : EXIT_USAGE };
  const status = isUsage(error) ? EXIT_USAGE : EXIT_FAILURE;
  return { text: `bpfsvc: ${messageOf(error, root)}\n${debug ? `${stackOf(error)}\n` : ''}`, status };
}

// --- internal ---

/** Values of flags that say nothing, wherever they were read. */
const USAGE_CODES: readonly ErrorCode[] = ['service-cidr-invalid', 'node-port-range-invalid'];

function isUsage(error: unknown): boolean {
  if (error instanceof BpfsvcError) return USAGE_CODES.includes(error.code);
  return error instanceof UsageError || error instanceof ConfigurationError;
}

function messageOf(error: unknown, root: boolean): string {
  if (!(error instanceof Error)) return String(error);
  const remedy = !root && isPermission(error) ? '; run it as root' : '';
  const log = 'verifierLog' in error && typeof error.verifierLog === 'string' ? `\n${error.verifierLog.trimEnd()}` : '';
  return `${error.message}${remedy}${log}`;
}

function isPermission(error: Error): boolean {
  return 'code' in error && (error.code === 'EPERM' || error.code === 'EACCES');
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const stack = error.stack ?? '';
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(error.cause)}`;
}
