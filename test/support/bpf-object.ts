// SPDX-License-Identifier: Apache-2.0
// Small BPF programs of tests, compiled as the product is. Sources lie beside the tests that need them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compile } from '../../src/toolchain/compile.ts';

const TEST_ROOT = path.resolve(import.meta.dirname, '..');

export class TestObject implements Disposable {
  readonly path: string;
  readonly #directory: string;

  private constructor(directory: string, file: string) {
    this.#directory = directory;
    this.path = file;
  }

  /** `source` is relative to test/. */
  static async compile(source: string): Promise<TestObject> {
    const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-object-'));
    const object = new TestObject(directory, path.join(directory, `${path.basename(source, '.c')}.o`));
    try {
      await compile({ output: object.path, root: TEST_ROOT, sources: [source], includeDirs: [] });
      return object;
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
