// SPDX-License-Identifier: Apache-2.0
// The table of `bpfsvc services`, in the manner of `ipvsadm -Ln`: frontends at the margin, backends beneath them.

import type { BackendView, FrontendView, ServiceView } from '../../observe/service-view.ts';
import type { SetScope } from '../../plan/types.ts';
import { endpointText } from './cells.ts';
import type { Column } from './table.ts';
import { formatTable } from './table.ts';

const FRONTEND_COLUMNS: readonly Column[] = [
  { header: 'PROTO' },
  { header: 'FRONTEND' },
  { header: 'KIND' },
  { header: 'SET' },
  { header: 'ALGORITHM' },
  { header: 'SERVICE' },
];

const BACKEND_COLUMNS: readonly Column[] = [
  { header: 'BACKEND' },
  { header: 'NODE' },
  { header: 'WEIGHT', align: 'right' },
  { header: 'ACTIVE', align: 'right' },
  { header: 'CONNS', align: 'right' },
  { header: 'IN PKTS', align: 'right' },
  { header: 'OUT PKTS', align: 'right' },
  { header: 'IN BYTES', align: 'right' },
  { header: 'OUT BYTES', align: 'right' },
];

const MARK = '  -> ';

export function servicesTable(services: readonly ServiceView[]): string[] {
  const groups = services.flatMap(groupBySets);
  const frontends = formatTable(
    FRONTEND_COLUMNS,
    groups.flatMap((group) => group.frontends.map(frontendRow(group.service))),
  );
  const backends = formatTable(
    BACKEND_COLUMNS,
    groups.flatMap((group) => group.backends.map(backendRow)),
  );
  const [frontendHeader = '', ...frontendLines] = frontends;
  const [backendHeader = '', ...backendLines] = backends;
  const lines = [frontendHeader, `${MARK}${backendHeader}`];
  let [frontend, backend] = [0, 0];
  for (const { frontends: above, backends: below, empty } of groups) {
    for (const end = frontend + above.length; frontend < end; frontend++) lines.push(frontendLines[frontend] ?? '');
    for (const end = backend + below.length; backend < end; backend++) lines.push(MARK + (backendLines[backend] ?? ''));
    if (empty !== undefined) lines.push(`${MARK}${empty}`);
  }
  return lines;
}

// --- internal ---

/** Frontends of a service that choose from the same sets, over one list of backends. */
interface Group {
  readonly service: ServiceView;
  readonly frontends: readonly FrontendView[];
  readonly backends: readonly BackendView[];
  /** What a client is told where there is no backend. */
  readonly empty: string | undefined;
}

function groupBySets(service: ServiceView): Group[] {
  const groups = Map.groupBy(service.frontends, ({ internal, external }) => `${internal}/${external}`);
  return [...groups.values()].map((frontends, index): Group => {
    const scopes = [...new Set(frontends.flatMap(({ internal, external }) => [internal, external]))];
    const inSets = service.backends.filter(({ slots }) => scopes.some((scope) => slots[scope] !== undefined));
    const draining = index === 0 ? service.backends.filter(isInNoSet) : [];
    return { service, frontends, backends: [...inSets, ...draining], empty: emptyText(service, scopes, inSets.length) };
  });
}

function isInNoSet({ slots }: BackendView): boolean {
  return slots.cluster === undefined && slots.local === undefined;
}

function emptyText(service: ServiceView, scopes: readonly SetScope[], backends: number): string | undefined {
  if (backends > 0) return undefined;
  const silent = scopes.some((scope) => service.sets[scope].mode === 'drop');
  return silent ? 'no backend on this node: clients get no answer' : 'no backend: clients are refused';
}

function frontendRow(service: ServiceView): (frontend: FrontendView) => string[] {
  return ({ address, port, kind, internal, external }) => [
    `${service.protocol.toUpperCase()}${service.family === 6 ? '6' : ''}`,
    kind === 'NodePort' ? `*:${String(port)}` : endpointText(address, port),
    kind,
    internal === external ? internal : `${internal}/${external}`,
    'maglev',
    service.name,
  ];
}

function backendRow(backend: BackendView): string[] {
  return [
    endpointText(backend.address, backend.port) ?? `#${String(backend.id)}`,
    backend.retired ? 'retired' : backend.locality,
    String(backend.weight),
    String(backend.active),
    String(backend.opened),
    String(backend.inPackets),
    String(backend.outPackets),
    String(backend.inBytes),
    String(backend.outBytes),
  ];
}
