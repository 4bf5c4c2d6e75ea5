// SPDX-License-Identifier: Apache-2.0
// test/kernels/matrix.yaml as types. Pure.

import { parse } from 'yaml';
import { z } from 'zod';
import { HarnessError } from './errors.ts';

const Kernel = z.strictObject({
  /** The Debian suite that has it. */
  debian: z.string(),
  /** `6.12` is the newest 6.12.y, `7` the newest 7.x.y. */
  series: z.string(),
});

const Matrix = z.strictObject({
  kernels: z.record(z.string(), Kernel),
});

export type Matrix = z.infer<typeof Matrix>;

export function parseMatrix(text: string, file: string): Matrix {
  const result = Matrix.safeParse(parse(text));
  if (result.success) return result.data;
  throw new HarnessError(`${file}: ${z.prettifyError(result.error)}`);
}
