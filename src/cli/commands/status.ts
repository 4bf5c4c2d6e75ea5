// SPDX-License-Identifier: Apache-2.0
// `bpfsvc status`

import { readStatus } from '../../observe/status.ts';
import { openDatapath } from '../open-datapath.ts';
import type { Format } from '../print/document.ts';
import { print } from '../print/document.ts';
import { statusTable } from '../print/status.ts';
import { stdout } from '../stdout.ts';

export async function status({ bpffs, output }: { readonly bpffs: string; readonly output: Format }): Promise<void> {
  using datapath = openDatapath(bpffs);
  const found = readStatus(bpffs, datapath);
  await print(output, { table: () => statusTable(found), data: () => found }, stdout);
}
