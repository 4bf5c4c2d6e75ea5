// SPDX-License-Identifier: Apache-2.0
// `bpfsvc maps list`: also of a layout that this program cannot decode.

import { listMaps } from '../../observe/map-list.ts';
import { findAnyDatapath } from '../../observe/pinned-datapath.ts';
import { remarkOthers } from '../open-datapath.ts';
import { cellTable } from '../print/cells.ts';
import type { Format } from '../print/document.ts';
import { print } from '../print/document.ts';
import { stdout } from '../stdout.ts';

export async function mapsList({ bpffs, output }: { readonly bpffs: string; readonly output: Format }): Promise<void> {
  const found = findAnyDatapath(bpffs);
  remarkOthers(found);
  const maps = listMaps(found);
  const data = { fingerprint: found.fingerprint, maps };
  await print(output, { table: () => cellTable(maps), data: () => data }, stdout);
}
