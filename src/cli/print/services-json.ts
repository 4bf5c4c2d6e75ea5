// SPDX-License-Identifier: Apache-2.0
// `bpfsvc services -o json`, whose shape docs/cli.md promises to keep.

import type { BackendView, ServiceView } from '../../observe/service-view.ts';
import type { SetScope } from '../../plan/types.ts';

export function servicesData(services: readonly ServiceView[]): unknown {
  return { services: services.map(serviceData) };
}

// --- internal ---

function serviceData(service: ServiceView): unknown {
  const { id, name, namespace, service: serviceName, portName, family, protocol, frontends } = service;
  return {
    id,
    name,
    namespace,
    service: serviceName,
    portName,
    protocol,
    family,
    algorithm: 'maglev',
    frontends,
    sets: { cluster: setData(service, 'cluster'), local: setData(service, 'local') },
    backends: service.backends.map(backendData),
  };
}

function setData({ sets }: ServiceView, scope: SetScope): unknown {
  const { id, mode, span } = sets[scope];
  return { id, mode, slots: span?.slots ?? 0 };
}

function backendData(backend: BackendView): unknown {
  const { id, address, port, locality, weight, retired, slots } = backend;
  return {
    id,
    address,
    port,
    locality,
    weight,
    retired,
    slots: { cluster: slots.cluster ?? 0, local: slots.local ?? 0 },
    connections: { active: backend.active, opened: backend.opened },
    packets: { in: backend.inPackets, out: backend.outPackets },
    bytes: { in: backend.inBytes, out: backend.outBytes },
  };
}
