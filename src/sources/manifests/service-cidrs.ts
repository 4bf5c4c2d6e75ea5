// SPDX-License-Identifier: Apache-2.0
// The prefixes from which cluster IPs are allocated, as kube-apiserver's --service-cluster-ip-range writes them.

import { BpfsvcError } from '../../errors.ts';
import type { Prefix } from '../../net/prefix.ts';
import { parsePrefix, parsePrefixLenient, prefixText } from '../../net/prefix.ts';

/** `10.96.0.0/16`, `fd00:96::/112`, or one of each with a comma; the first one's family is the preferred one. */
export function parseServiceCidrs(text: string): Prefix[] {
  const parts = text.split(',').map((part) => part.trim());
  const prefixes = parts.map((part) => {
    const prefix = parsePrefix(part);
    if (prefix !== undefined) return prefix;
    const meant = parsePrefixLenient(part);
    const hint = meant === undefined ? '' : `, ${prefixText(meant)} would be`;
    throw new BpfsvcError('service-cidr-invalid', `"${part}" is not a prefix${hint}`);
  });
  if (new Set(prefixes.map((prefix) => prefix.family)).size < prefixes.length) {
    throw new BpfsvcError('service-cidr-invalid', `"${text}" has two prefixes of one family`);
  }
  return prefixes;
}
