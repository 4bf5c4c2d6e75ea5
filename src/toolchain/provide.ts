// SPDX-License-Identifier: Apache-2.0
// Which object to load, and whether it fits this program. Loads nothing; the caller brings the function that reads an
// object's layout.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { ABI_LINES } from '../abi/fingerprint.gen.ts';
import type { ObjectLayout } from '../kernel/layout.ts';
import { ToolchainError } from './errors.ts';
import { checkLayout, formatDifference } from './fingerprint.ts';
import { compileProduct, OBJECT_DIR, OBJECT_NAME } from './product.ts';
import type { CompileProductOptions } from './product.ts';

export interface ProvideOptions extends CompileProductOptions {
  /** The addon's. */
  objectLayout(path: string): ObjectLayout;
}

export interface ProvidedObject {
  readonly path: string;
  /** It was missing. */
  readonly compiled: boolean;
}

/** The object to load: the shipped one; made now where there is none. Throws where it does not fit this program. */
export async function provideObject(options: ProvideOptions): Promise<ProvidedObject> {
  const object = path.join(path.resolve(options.outDir ?? OBJECT_DIR), OBJECT_NAME);
  const compiled = !existsSync(object);
  if (compiled) await compileProduct(options);
  assertFits(object, options.objectLayout(object));
  return { path: object, compiled };
}

/** Throws with every item that differs. */
export function assertFits(object: string, layout: ObjectLayout): void {
  const differences = checkLayout(layout, ABI_LINES);
  if (differences.length === 0) return;
  const list = differences.map((difference) => `  ${formatDifference(difference)}`).join('\n');
  throw new ToolchainError(
    'layout-differs',
    `${object} was compiled from other sources than this program:\n${list}\ncompile it again: bpfsvc compile`,
  );
}
