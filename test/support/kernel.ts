// SPDX-License-Identifier: Apache-2.0
// For tests of what the addon does to this process and hands to it: errors, bytes, descriptors, mappings, threads.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { MAP_TYPE } from '../../src/kernel/constants.ts';
import { KernelError } from '../../src/kernel/errors.ts';
import type { MapSpec, NativeMap } from '../../src/kernel/native-types.ts';

const ADDON = new URL('../../src/kernel/addon.ts', import.meta.url).href;

/** The error of a call that must fail, as the kernel layer's own. */
export function kernelErrorOf(call: () => unknown): KernelError {
  try {
    call();
  } catch (error) {
    if (error instanceof KernelError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** A hash map of 1000 unless told otherwise; keys of 4 bytes, values of 8; closed with the test. */
export function makeMap(spec: Partial<MapSpec> = {}): NativeMap {
  const map = addon.createMap({
    type: MAP_TYPE.HASH,
    name: 'numbers',
    keySize: 4,
    valueSize: 8,
    maxEntries: 1000,
    flags: 0,
    ...spec,
  });
  onTestFinished(() => {
    map.close();
  });
  return map;
}

export function u32(...values: number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer);
}

export function u64(...values: (number | bigint)[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer);
}

/** Of bytes from the addon, which may begin anywhere in their buffer. */
export function asU64(bytes: Uint8Array | undefined): bigint[] {
  return bytes === undefined ? [] : [...new BigUint64Array(bytes.slice().buffer)];
}

export function asU32(bytes: Uint8Array | undefined): number[] {
  return bytes === undefined ? [] : [...new Uint32Array(bytes.slice().buffer)];
}

/** What each open descriptor of this process refers to, by number. */
export function descriptors(): Map<number, string> {
  const open = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      open.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      continue; // the one that lists the directory
    }
  }
  return open;
}

/** What only the addon opens: a process has others, which come and go by themselves. */
export function bpfDescriptors(): Map<number, string> {
  return new Map([...descriptors()].filter(([, kind]) => /bpf|btf/.test(kind)));
}

export function bpfMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('bpf-map')).length;
}

/** Threads of this process by name, which the kernel cuts to 15 bytes. */
export function threads(name: string): number {
  return readdirSync('/proc/self/task').filter((id) => nameOfThread(id) === name).length;
}

/** A worker that runs `code`, a module's text in which `addon`, `parentPort` and `workerData` are at hand. */
export function addonWorker(code: string, workerData?: unknown): Worker {
  const source = `import { addon } from '${ADDON}'; import { parentPort, workerData } from 'node:worker_threads'; ${code}`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData });
}

export function exitOf(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));
}

function nameOfThread(id: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trimEnd();
  } catch {
    return undefined; // ended since it was listed
  }
}
