// SPDX-License-Identifier: Apache-2.0
// `bpfsvc services [NAMESPACE/NAME]`

import { readServiceViews } from '../../observe/read-services.ts';
import type { Format } from '../print/document.ts';
import { print } from '../print/document.ts';
import { servicesData } from '../print/services-json.ts';
import { servicesTable } from '../print/services.ts';
import { stdout } from '../stdout.ts';
import { UsageError } from '../usage-error.ts';
import { openDatapath } from '../open-datapath.ts';

export interface ServicesOptions {
  readonly bpffs: string;
  readonly output: Format;
}

export async function services(wanted: string | undefined, { bpffs, output }: ServicesOptions): Promise<void> {
  if (wanted !== undefined && !/^[^/]+\/[^/]+$/.test(wanted)) {
    throw new UsageError(`"${wanted}" does not name a Service; write NAMESPACE/NAME`);
  }
  using datapath = openDatapath(bpffs);
  const views = readServiceViews(datapath, wanted);
  if (wanted !== undefined && views.length === 0) {
    throw new Error(`no Service ${wanted} in the datapath; \`bpfsvc services\` shows those that are`);
  }
  await print(output, { table: () => servicesTable(views), data: () => servicesData(views) }, stdout);
}
