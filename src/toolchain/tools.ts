// SPDX-License-Identifier: Apache-2.0
// Finds clang and bpftool, asks them for their versions, and runs them. Knows where Debian puts things; compiles
// nothing itself.

import { execa } from 'execa';
import { ToolchainError } from './errors.ts';

export interface Tool {
  readonly path: string;
  /** Its own first line: part of every cache key. */
  readonly version: string;
}

export interface RunResult {
  readonly ok: boolean;
  readonly output: string;
}

/** Older ones do not write btf_decl_tag, without which settings and addresses have no types. */
const OLDEST_CLANG = 14;
const CLANGS = ['clang-19', 'clang'];

/** Debian's bpftool lies where only root's PATH looks. */
const BPFTOOLS = ['bpftool', '/usr/sbin/bpftool'];

/** `wanted`: a path or name that a person gave; only that one is tried then. */
export async function findClang(wanted?: string): Promise<Tool> {
  const candidates = wanted === undefined ? CLANGS : [wanted];
  for (const path of candidates) {
    const text = await version(path, '--version');
    if (text === undefined) continue;
    const major = /clang version (\d+)/.exec(text)?.[1];
    if (major === undefined) {
      throw new ToolchainError('missing-tool', `${path} is not clang: it calls itself "${firstLine(text)}"`);
    }
    if (Number(major) < OLDEST_CLANG) {
      throw new ToolchainError(
        'old-tool',
        `${path} is clang ${major}, at least ${OLDEST_CLANG} is needed; install a newer one: apt install clang-19`,
      );
    }
    return { path, version: firstLine(text) };
  }
  throw new ToolchainError(
    'missing-tool',
    `no C compiler for BPF: ${candidates.join(' and ')} cannot be run; install it: apt install clang-19`,
  );
}

export async function findBpftool(candidates: readonly string[] = BPFTOOLS): Promise<Tool> {
  for (const path of candidates) {
    const text = await version(path, 'version');
    // The library inside it is the linker.
    if (text !== undefined) return { path, version: text.split('\n').slice(0, 2).join(', ') };
  }
  throw new ToolchainError('missing-tool', 'no BPF linker: bpftool cannot be run; install it: apt install bpftool');
}

/** Runs to the end; `output` is what the tool wrote, in order. Throws only when it cannot be started. */
export async function run(tool: Tool, args: readonly string[], cwd: string): Promise<RunResult> {
  const result = await execa(tool.path, args, {
    cwd,
    reject: false,
    all: true,
    env: { LC_ALL: 'C' },
    maxBuffer: 2 ** 26,
  });
  if (result.exitCode === undefined) {
    const how = result.signal === undefined ? 'cannot be run' : `was ended by ${result.signal}`;
    throw new ToolchainError('missing-tool', `${tool.path} ${how}`, { cause: result });
  }
  return { ok: result.exitCode === 0, output: result.all };
}

/** Undefined: there is no such program. */
async function version(path: string, argument: string): Promise<string | undefined> {
  const result = await execa(path, [argument], { reject: false, all: true, env: { LC_ALL: 'C' } });
  return result.exitCode === undefined ? undefined : result.all;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
