// SPDX-License-Identifier: Apache-2.0
// The pinned datapath for a command that reads it, with a word where there is more than one.

import { findDatapath, PinnedDatapath } from '../observe/pinned-datapath.ts';
import type { FoundDatapath } from '../observe/pinned-datapath.ts';
import { remark } from './stdout.ts';

/** Throws DatapathNotFound. */
export function openDatapath(bpffs: string): PinnedDatapath {
  const found = findDatapath(bpffs);
  remarkOthers(found);
  return new PinnedDatapath(found);
}

export function remarkOthers({ fingerprint, others }: FoundDatapath): void {
  if (others.length > 0) remark(`showing the layout ${fingerprint}; also pinned there: ${others.join(', ')}`);
}
