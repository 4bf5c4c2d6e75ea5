// SPDX-License-Identifier: Apache-2.0
// BPF objects of tests, compiled as the product is. Sources lie beside the tests that need them. Where there is no
// compiler, in a VM, BPFSVC_TEST_OBJECTS names the directory of objects that were compiled before.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compile, findSources } from '../../src/toolchain/compile.ts';
import { compileProduct } from '../../src/toolchain/product.ts';

const TEST_ROOT = path.resolve(import.meta.dirname, '..');

const COMPILED = process.env['BPFSVC_TEST_OBJECTS'];

/** Variants of the product, by what makes one in a directory. */
const PRODUCTS = { 'as-is': compileAsIs, 'without-eviction': compileWithoutEviction };

export class TestObject implements Disposable {
  readonly path: string;
  readonly #directory: string | undefined;

  private constructor(file: string, directory?: string) {
    this.#directory = directory;
    this.path = file;
  }

  /** `source` is relative to test/. */
  static async compile(source: string): Promise<TestObject> {
    return TestObject.#make(objectName(source), (directory) => compileSource(source, directory));
  }

  /** The product; or one whose flow table does not make room by itself: the kernel's does, so it is never full in a test. */
  static async product(variant: keyof typeof PRODUCTS): Promise<TestObject> {
    return TestObject.#make(path.join(variant, 'bpfsvc.bpf.o'), (directory) => PRODUCTS[variant](directory));
  }

  static async #make(name: string, make: (directory: string) => Promise<unknown>): Promise<TestObject> {
    if (COMPILED !== undefined) return new TestObject(path.join(COMPILED, name));
    const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-object-'));
    const object = new TestObject(path.join(directory, name), directory);
    try {
      await make(directory);
      return object;
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** What BPFSVC_TEST_OBJECTS needs. Fast where nothing has changed. */
export async function compileTestObjects(directory: string): Promise<void> {
  const names = await readdir(TEST_ROOT, { recursive: true });
  for (const source of names.filter((name) => /programs\/[^/]*\.bpf\.c$/.test(name))) {
    await compileSource(source, directory);
  }
  for (const make of Object.values(PRODUCTS)) await make(directory);
}

function objectName(source: string): string {
  return source.replace(/\.c$/, '.o');
}

async function compileSource(source: string, directory: string): Promise<void> {
  const output = path.join(directory, objectName(source));
  await compile({ output, root: TEST_ROOT, sources: [source], includeDirs: [] });
}

async function compileAsIs(directory: string): Promise<void> {
  await compileProduct({ outDir: path.join(directory, 'as-is') });
}

async function compileWithoutEviction(directory: string): Promise<void> {
  const root = path.join(directory, 'without-eviction');
  cpSync(path.resolve(TEST_ROOT, '../bpf'), path.join(root, 'bpf'), { recursive: true });
  const maps = path.join(root, 'bpf/maps.h');
  writeFileSync(maps, readFileSync(maps, 'utf8').replaceAll('BPF_MAP_TYPE_LRU_HASH', 'BPF_MAP_TYPE_HASH'));
  const sources = await findSources(root, 'bpf');
  await compile({ output: path.join(root, 'bpfsvc.bpf.o'), root, sources, includeDirs: ['bpf'] });
}
