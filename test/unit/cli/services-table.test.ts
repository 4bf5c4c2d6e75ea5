// SPDX-License-Identifier: Apache-2.0
// The table and the JSON of `bpfsvc services`.

import { describe, expect, it } from 'vitest';
import { servicesData } from '../../../src/cli/print/services-json.ts';
import { servicesTable } from '../../../src/cli/print/services.ts';
import type { ServiceView } from '../../../src/observe/service-view.ts';
import { buildServiceViews } from '../../../src/observe/service-view.ts';
import { flow, FRONTENDS, names, setReader } from '../observe/made-up.ts';

function views(wanted?: string): ServiceView[] {
  const rows = {
    names: names(),
    sets: setReader(),
    frontends: FRONTENDS,
    sockets: [[{}, { service: 1, backend: 4 }]] as const,
    flows: [flow({ backend: 2, packets: 1234n, bytes: 56_789n })],
    conns: [[{ service: 1, backend: 2 }, { opened: 7n }]] as const,
    traffic: [],
  };
  return buildServiceViews(rows, wanted);
}

describe('servicesTable', () => {
  it('writes frontends with the backends of their sets beneath, once for frontends that share them', () => {
    expect(servicesTable(views('default/web'))).toEqual([
      'PROTO  FRONTEND          KIND       SET            ALGORITHM  SERVICE',
      '  -> BACKEND            NODE     WEIGHT  ACTIVE  CONNS  IN PKTS  OUT PKTS  IN BYTES  OUT BYTES',
      'TCP    10.96.0.10:80     ClusterIP  cluster        maglev     default/web:http',
      '  -> 10.244.1.5:8080    local         1       0      0        0         0         0          0',
      '  -> 10.244.2.7:8080    remote        3       1      7     1234         0     56789          0',
      '  -> 10.244.1.9:8080    retired       1       1      0        0         0         0          0',
      'TCP    *:30080           NodePort   cluster/local  maglev     default/web:http',
      '  -> 10.244.1.5:8080    local         1       0      0        0         0         0          0',
      '  -> 10.244.2.7:8080    remote        3       1      7     1234         0     56789          0',
      'TCP6   [fd00:96::10]:80  ClusterIP  cluster        maglev     default/web:http',
      '  -> [fd00:10::7]:8080  remote        1       0      0        0         0         0          0',
    ]);
  });

  it('says what clients of an empty set are told', () => {
    expect(servicesTable(views('default/dns')).at(-1)).toBe('  -> no backend: clients are refused');
  });

  it('shows frontends that share their sets together', () => {
    const [dns, ...rest] = views();
    if (dns === undefined) throw new Error('missing');
    const twice = { ...dns, frontends: [...dns.frontends, ...dns.frontends] };
    const lines = servicesTable([twice, ...rest]).slice(2, 5);
    expect(lines.map((line) => line.slice(0, 5))).toEqual(['UDP  ', 'UDP  ', '  -> ']);
  });
});

describe('servicesData', () => {
  it('holds ids beside names, every backend once', () => {
    expect(servicesData(views('default/web'))).toMatchObject({
      services: [
        {
          id: 1,
          name: 'default/web:http',
          namespace: 'default',
          service: 'web',
          portName: 'http',
          protocol: 'tcp',
          family: 4,
          frontends: [
            { address: '10.96.0.10', port: 80, kind: 'ClusterIP', internal: 'cluster', external: 'cluster' },
            { address: '0.0.0.0', port: 30_080, kind: 'NodePort', internal: 'cluster', external: 'local' },
          ],
          sets: { cluster: { id: 2, mode: 'hash', slots: 10 }, local: { id: 3, mode: 'hash', slots: 5 } },
          backends: [
            { id: 1, address: '10.244.1.5', port: 8080, locality: 'local', slots: { cluster: 6, local: 5 } },
            {
              id: 2,
              slots: { cluster: 4, local: 0 },
              connections: { active: 1, opened: 7n },
              packets: { in: 1234n, out: 0n },
              bytes: { in: 56_789n, out: 0n },
            },
            { id: 4, retired: true },
          ],
        },
        { id: 2, family: 6 },
      ],
    });
  });
});
