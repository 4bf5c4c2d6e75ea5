// SPDX-License-Identifier: Apache-2.0
// What a failing rule tells: its objects, the map entries of its Services on this node, what was seen, and what the agent
// has complained of.

import { stringify } from 'yaml';
import { Names } from '../../src/observe/names.ts';
import { readServiceViews } from '../../src/observe/read-services.ts';
import type { ServiceView } from '../../src/observe/service-view.ts';
import type { KubernetesObject } from '../support/objects.ts';
import type { Ground } from './ground.ts';
import type { Rule } from './rule.ts';

export function explain(
  rule: Rule,
  wrong: readonly string[],
  objects: readonly KubernetesObject[],
  ground: Ground,
): string {
  const names = new Set(objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name));
  // Opened anew: slots may have got a segment since.
  using datapath = ground.openThisNode();
  const views = readServiceViews(datapath).filter(({ service }) => names.has(service));
  const known = new Names(datapath.lb.services(), datapath.lb.backends());
  const complaints = [...names].flatMap((name) => ground.complaints(name));
  return [
    `${rule.title} (${rule.reference})`,
    ...wrong.map((line) => `  ${line}`),
    '--- objects',
    ...objects.map((object) => stringify(object).trimEnd()),
    '--- maps of this node',
    ...views.flatMap((view) => describe(view, known)),
    ...(complaints.length === 0 ? [] : ['--- the agent of this node', ...complaints]),
  ].join('\n');
}

// --- internal ---

function describe({ name, family, protocol, sets, frontends, backends }: ServiceView, known: Names): string[] {
  const members = (scope: 'cluster' | 'local'): string => {
    const shares = sets[scope].span?.shares ?? [];
    return shares.map(({ backend }) => addressOf(known, backend)).join(', ');
  };
  return [
    `${name} ${protocol} IPv${family}`,
    ...frontends.map(
      (row) => `  ${row.kind} ${row.address} ${row.port}: inside ${row.internal}, outside ${row.external}`,
    ),
    ...(['cluster', 'local'] as const).map((scope) => `  ${scope}: ${sets[scope].mode} ${members(scope)}`),
    ...backends
      .filter(({ retired }) => retired)
      .map(({ address, port }) => `  retired: ${address ?? ''} ${port ?? ''}`),
  ];
}

function addressOf(names: Names, id: number): string {
  const row = names.backends.get(id);
  return row === undefined ? `#${id}` : `${row.addr} ${row.port}`;
}
