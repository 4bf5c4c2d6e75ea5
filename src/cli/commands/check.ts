// SPDX-License-Identifier: Apache-2.0
// `bpfsvc check`: exit status 1 where bpfsvc cannot run.

import { release } from 'node:os';
import type { FeatureReport } from '../../kernel/features.ts';
import { probeFeatures } from '../../kernel/features.ts';
import { dim, green, red, yellow } from '../print/colors.ts';
import type { Format } from '../print/document.ts';
import { print } from '../print/document.ts';
import { formatTable } from '../print/table.ts';
import { stdout } from '../stdout.ts';

export async function check({ output }: { readonly output: Format }): Promise<void> {
  const features = await probeFeatures();
  const kernel = { release: release() };
  await print(output, { table: () => checkTable(features), data: () => ({ kernel, features }) }, stdout);
  const refused = features.filter(({ state }) => state === 'refused');
  if (refused.length > 0) {
    const ids = refused.map(({ id }) => id).join(', ');
    throw new Error(`bpfsvc does not run on this Linux ${kernel.release} for want of ${ids}; see DETAIL above`);
  }
}

export function checkTable(features: readonly FeatureReport[]): string[] {
  const rows = features.map(({ id, probed, state, detail, uses }) => {
    return [id, probed, COLORS[state](state), uses === '' ? '-' : uses, detail];
  });
  return formatTable(
    ['FEATURE', 'PROBED', 'STATE', 'USES', 'DETAIL'].map((header) => ({ header })),
    rows,
  );
}

const COLORS = { native: green, fallback: yellow, refused: red, unused: dim } as const;
