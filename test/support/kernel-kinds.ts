// SPDX-License-Identifier: Apache-2.0
// Whether this kernel has a kind of device or of socket, which may be a module that is loaded when it is asked for. A
// kernel of the matrix must have all but what its table says.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { run } from './command.ts';

/** What says so where the kernel has no such thing; anything else is a mistake of ours. */
const UNKNOWN = /Unknown device type|Operation not supported|Protocol not supported|not supported by protocol/;

/** By name, a shell script that makes one in a network namespace that exists for this alone. */
export async function present(probes: Readonly<Record<string, string>>): Promise<ReadonlySet<string>> {
  const names = Object.keys(probes);
  const found = await Promise.all(names.map(async (name) => ((await succeeds(probes[name] ?? '')) ? [name] : [])));
  const missing = names.filter((name) => !found.flat().includes(name));
  const unexpected = missing.filter((name) => lacks()?.includes(name) === false);
  if (unexpected.length > 0) throw new Error(`this kernel should have, but has not: ${unexpected.join(', ')}`);
  return new Set(found.flat());
}

// --- internal ---

/** Undefined: this kernel is not of the matrix. */
function lacks(): readonly string[] | undefined {
  const kernel = process.env['BPFSVC_KERNEL'];
  if (kernel === undefined) return undefined;
  const file = path.resolve(import.meta.dirname, '../kernels/expected-devices.yaml');
  const row = (parse(readFileSync(file, 'utf8')) as Record<string, string[]>)[kernel];
  if (row === undefined) throw new Error(`${file} has no row for kernel ${kernel}: add one`);
  return row;
}

async function succeeds(script: string): Promise<boolean> {
  try {
    await run('unshare', ['--net', 'sh', '-e'], script);
    return true;
  } catch (error) {
    if (error instanceof Error && UNKNOWN.test(error.message)) return false;
    throw error;
  }
}
