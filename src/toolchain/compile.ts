// SPDX-License-Identifier: Apache-2.0
// C sources → one linked BPF object: clang for each, then libbpf's linker through bpftool, which also drops DWARF and
// keeps BTF. Knows no map and no layout.

import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { makeCached } from './cache.ts';
import { ToolchainError } from './errors.ts';
import { findBpftool, findClang, run } from './tools.ts';
import type { Tool } from './tools.ts';

export interface CompileOptions {
  /** The linked object; what is needed to make it again only where something has changed lies beside it in .cache. */
  readonly output: string;
  /** Tools run here and name files relative to it, so that the same sources give the same object anywhere. */
  readonly root: string;
  /** Relative to `root`. */
  readonly sources: readonly string[];
  readonly includeDirs: readonly string[];
  /** Path or name of the compiler; otherwise clang-19, then clang. */
  readonly clang?: string | undefined;
}

export interface CompileResult {
  readonly object: string;
  /** Nothing had to be made. */
  readonly cached: boolean;
  /** The compiler's version line. */
  readonly compiler: string;
}

const FLAGS = ['-O2', '-g', '-Wall', '-Wextra', '-Werror', '-mcpu=v3', '-target', 'bpf'];

/** Debian's names of architectures, by Node's; asm/types.h lies under them, and clang does not look there for BPF. */
const MULTIARCH: Readonly<Record<string, string>> = {
  arm: 'arm-linux-gnueabihf',
  arm64: 'aarch64-linux-gnu',
  loong64: 'loongarch64-linux-gnu',
  ppc64: 'powerpc64le-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
  s390x: 's390x-linux-gnu',
  x64: 'x86_64-linux-gnu',
};

/** What a header that is not found belongs to. */
const HEADER_PACKAGES: readonly (readonly [RegExp, string])[] = [
  [/'bpf\/[^']+' file not found/, 'libbpf-dev'],
  [/'(?:linux|asm|asm-generic)\/[^']+' file not found/, 'linux-libc-dev'],
];

/** The sources that make up the product: every *.bpf.c of a directory, relative to `root`. */
export async function findSources(root: string, directory: string): Promise<string[]> {
  const names = await readdir(path.join(root, directory));
  return names
    .filter((name) => name.endsWith('.bpf.c'))
    .sort()
    .map((name) => path.join(directory, name));
}

/** Throws ToolchainError whose message carries the tool's own words whole. */
export async function compile(options: CompileOptions): Promise<CompileResult> {
  const [clang, bpftool] = await Promise.all([findClang(options.clang), findBpftool()]);
  const objects = await Promise.allSettled(options.sources.map((source) => compileOne(options, clang, source)));
  const failures = objects.filter((object) => object.status === 'rejected').map((object): unknown => object.reason);
  if (failures.length > 0) throw joinFailures(failures);
  const made = objects.filter((object) => object.status === 'fulfilled').map((object) => object.value);
  const linked = await link(
    options,
    bpftool,
    made.map(({ object }) => object),
  );
  return { object: options.output, cached: linked && made.every(({ cached }) => cached), compiler: clang.version };
}

interface Made {
  readonly object: string;
  readonly cached: boolean;
}

async function compileOne(options: CompileOptions, clang: Tool, source: string): Promise<Made> {
  const object = cacheFile(options, `${path.basename(source, '.c')}.o`);
  const includes = [...options.includeDirs, ...systemIncludes()].flatMap((directory) => ['-I', directory]);
  const args = [...FLAGS, ...includes, '-c', source];
  const cached = await makeCached({
    output: object,
    note: `${object}.json`,
    key: [clang.version, options.root, ...args],
    async make(temporary) {
      const list = `${temporary}.d`;
      try {
        const { ok, output } = await run(clang, [...args, '-o', temporary, '-MD', '-MF', list], options.root);
        if (!ok) throw compileFailure(clang, source, output);
        return parseDependencies(await readFile(list, 'utf8')).map((file) => path.resolve(options.root, file));
      } finally {
        await rm(list, { force: true });
      }
    },
  });
  return { object, cached };
}

async function link(options: CompileOptions, bpftool: Tool, objects: readonly string[]): Promise<boolean> {
  return makeCached({
    output: options.output,
    note: cacheFile(options, `${path.basename(options.output)}.json`),
    key: [bpftool.version, ...objects],
    async make(temporary) {
      const { ok, output } = await run(bpftool, ['gen', 'object', temporary, ...objects], options.root);
      if (ok) return objects;
      const name = path.basename(options.output);
      throw new ToolchainError('link-failed', `linking ${name} failed (bpftool gen object):\n${output}`);
    },
  });
}

function compileFailure(clang: Tool, source: string, output: string): ToolchainError {
  const lacking = HEADER_PACKAGES.find(([pattern]) => pattern.test(output));
  const remedy = lacking === undefined ? '' : `\ninstall the header: apt install ${lacking[1]}`;
  return new ToolchainError('compile-failed', `compiling ${source} failed (${clang.path}):\n${output}${remedy}`);
}

/** A person mends all sources at once, so all are reported. */
function joinFailures(failures: readonly unknown[]): unknown {
  if (failures.length === 1 || !failures.every((failure) => failure instanceof ToolchainError)) return failures[0];
  return new ToolchainError('compile-failed', failures.map((failure) => failure.message).join('\n\n'));
}

function systemIncludes(): string[] {
  const name = MULTIARCH[process.arch];
  const directory = `/usr/include/${name ?? process.arch}`;
  return existsSync(directory) ? [directory] : [];
}

/** A rule for make: `object: source header \` and so on; a space in a name is escaped. */
function parseDependencies(rule: string): string[] {
  const list = rule.slice(rule.indexOf(':') + 1).replaceAll('\\\n', ' ');
  return [...list.matchAll(/(?:\\.|\S)+/g)].map((match) => match[0].replaceAll(/\\(.)/g, '$1'));
}

function cacheFile(options: CompileOptions, name: string): string {
  return path.join(path.dirname(options.output), '.cache', name);
}
