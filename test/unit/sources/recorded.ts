// SPDX-License-Identifier: Apache-2.0
// recorded.txt: what Linux 6.18 said about a namespace in which the commands named there were run, one record a line,
// and after each step the default routes that it listed.

import { readFileSync } from 'node:fs';
import type { NetlinkRecord, RouteRecord } from '../../../src/kernel/netlink.ts';

export interface Step {
  readonly records: readonly NetlinkRecord[];
  readonly defaultRoutes: readonly RouteRecord[];
}

export type StepName =
  'snapshot' | 'eth1 comes' | 'router moves' | 'eth0 loses its IPv4 addresses' | 'eth0 goes down' | 'eth1 is removed';

const sections = new Map(
  readFileSync(new URL('recorded.txt', import.meta.url), 'utf8')
    .split('## ')
    .map((section) => {
      const [name = '', ...lines] = section.trimEnd().split('\n');
      return [name, lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as NetlinkRecord)];
    }),
);

export function recorded(name: StepName): Step {
  const records = sections.get(name);
  const routes = sections.get(`${name}/routes`);
  if (records === undefined || routes === undefined) throw new Error(`recorded.txt has no section "${name}"`);
  return { records, defaultRoutes: routes.filter((record) => record.kind === 'route') };
}
