// SPDX-License-Identifier: Apache-2.0
// `bpfsvc check`: exit status 1 where the kernel lacks what is required.

import type { FeatureReport } from '../../kernel/features.ts';
import { probeFeatures } from '../../kernel/features.ts';
import { green, red, yellow } from '../print/colors.ts';
import type { Format } from '../print/document.ts';
import { print } from '../print/document.ts';
import { formatTable } from '../print/table.ts';
import { stdout } from '../stdout.ts';

export async function check({ output }: { readonly output: Format }): Promise<void> {
  const features = await probeFeatures();
  await print(output, { table: () => checkTable(features), data: () => ({ features }) }, stdout);
  const missing = features.filter(({ state }) => state === 'missing');
  if (missing.length > 0) throw new Error(`this kernel lacks ${missing.map(({ id }) => id).join(', ')}; see above`);
}

export function checkTable(features: readonly FeatureReport[]): string[] {
  const rows = features.map(({ id, state, detail, uses }) => [id, STATES[state], uses === '' ? '-' : uses, detail]);
  return formatTable([{ header: 'FEATURE' }, { header: 'STATE' }, { header: 'USES' }, { header: 'DETAIL' }], rows);
}

const STATES = { native: green('native'), fallback: yellow('fallback'), missing: red('missing') } as const;
