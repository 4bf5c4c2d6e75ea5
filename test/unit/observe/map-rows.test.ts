// SPDX-License-Identifier: Apache-2.0
// Rows in words: addresses, names, flags.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClientKind, Proto } from '../../../src/abi/enums.gen.ts';
import type { CellRow } from '../../../src/observe/cell.ts';
import {
  affinityCells,
  backendCells,
  connsCells,
  controlCells,
  flowCells,
  frontendCells,
  ifaceCells,
  netnsCells,
  nodeAddrCells,
  serviceAddrCells,
  serviceCells,
  serviceRangeCells,
  setCells,
  slotCells,
  socketCells,
  sourceRangeCells,
  trafficCells,
  udpPeerCells,
} from '../../../src/observe/map-rows.ts';
import { address, BACKENDS, flow, FRONTENDS, names, SERVICES, setReader } from './made-up.ts';

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing');
  return value;
}

describe('rows in words', () => {
  it('name the service, kind and lists of a frontend', () => {
    expect(frontendCells(must(FRONTENDS[0]), names())).toEqual({
      protocol: 'tcp',
      frontend: { address: '0.0.0.0', port: 30_080 },
      flags: ['node_port'],
      service: { id: 1, name: 'default/web:http' },
      internal: 'cluster',
      external: 'local',
      internalSet: 2,
      externalSet: 3,
      affinitySeconds: 0,
    });
  });

  it('leave the colon out of the name of a port without one', () => {
    expect(serviceCells(must(SERVICES[2]))).toMatchObject({
      id: 3,
      name: 'default/dns',
      protocol: 'udp',
      clusterSet: 6,
      localSet: 7,
    });
  });

  it('name several flags, and show bits that have no name', () => {
    const [id, row] = must(BACKENDS[3]);
    expect(backendCells([id, row])).toMatchObject({ flags: ['local', 'retired'] });
    expect(backendCells([id, { ...row, flags: 0x81 }])).toMatchObject({ flags: ['local', '0x80'] });
    expect(backendCells([id, { ...row, flags: 0 }])).toMatchObject({ flags: [] });
  });

  it('tell a set by mode and size', () => {
    expect(setCells(setReader().read(3), names())).toEqual({
      id: 3,
      service: { id: 1, name: 'default/web:http' },
      scope: 'local',
      mode: 'hash',
      firstSlot: 32,
      slots: 5,
      backends: 1,
    });
    expect(setCells(setReader().read(5), names())).toMatchObject({ mode: 'drop', firstSlot: null, slots: 0 });
  });

  it('tell slots as one row for each backend of a table, however many sets point at it', () => {
    const reader = setReader();
    const shared = { ...reader.read(2), id: 8 };
    const rows = [...slotCells([reader.read(2), shared, reader.read(5), reader.read(4)], names())];
    expect(rows).toEqual([
      {
        segment: 0,
        firstSlot: 0,
        tableSlots: 10,
        sets: [2, 8],
        backend: { id: 1, address: '10.244.1.5', port: 8080 },
        slots: 6,
        sharePercent: 60,
      },
      expect.objectContaining({ backend: { id: 2, address: '10.244.2.7', port: 8080 }, slots: 4, sharePercent: 40 }),
      expect.objectContaining({ firstSlot: 16, sets: [4], slots: 5, sharePercent: 100 }),
    ]);
  });

  it('show both tuples of a flow, its interface by name and its age', () => {
    const key = { saddr: address('192.0.2.9'), daddr: address('10.0.0.1'), sport: 40_000, dport: 80, proto: Proto.Tcp };
    const row = {
      flow: flow({
        backend: 2,
        packets: 3n,
        bytes: 99n,
        lastSeen: 7,
        ifindex: 7,
        sport: 50_000,
        dport: 8080,
        state: 3,
        flags: 2,
      }),
      saddr: address('10.0.0.1'),
      daddr: address('10.244.2.7'),
      nexthop: address('0.0.0.0'),
    };
    expect(flowCells([key, row], names(), 27n << 30n)).toMatchObject({
      source: { address: '192.0.2.9', port: 40_000 },
      destination: { address: '10.0.0.1', port: 80 },
      newSource: { address: '10.0.0.1', port: 50_000 },
      newDestination: { address: '10.244.2.7', port: 8080 },
      backend: { id: 2, address: '10.244.2.7', port: 8080 },
      flags: ['snat'],
      state: ['syn', 'ack'],
      idleSeconds: 21,
      packets: 3n,
      interface: { id: 7, name: 'eth0' },
      nextHop: null,
    });
  });

  it('give an age of zero to a row that is newer than the clock', () => {
    const key = { saddr: address('::1'), daddr: address('::1'), sport: 1, dport: 2, proto: Proto.Udp };
    const row = { flow: flow({ lastSeen: 9 }), saddr: address('::1'), daddr: address('::1'), nexthop: address('::') };
    expect(flowCells([key, row], names(), 8n << 30n)).toMatchObject({ idleSeconds: 0, interface: null });
  });

  it('keep the id of what has no name any more', () => {
    const row = { addr: address('10.96.0.10'), port: 80, proto: Proto.Tcp, service: 77, backend: 88 };
    expect(socketCells([{ cookie: 5n }, row], names())).toMatchObject({
      cookie: 5n,
      service: { id: 77, name: null },
      backend: { id: 88, address: null, port: null },
    });
  });

  it('show no address where an interface has none', () => {
    const row = { addr4: address('192.0.2.1'), addr6: address('::'), mtu: 1500, mac: '02:00:00:00:00:01', flags: 1 };
    expect(ifaceCells([{ ifindex: 7 }, row], names())).toEqual({
      interface: { id: 7, name: 'eth0' },
      flags: ['uplink'],
      address4: '192.0.2.1',
      address6: null,
      mtu: 1500,
      mac: '02:00:00:00:00:01',
    });
  });
});

describe('docs/cli.md', () => {
  const pair = { service: 1, backend: 1 };
  const tuple = { saddr: address('::1'), daddr: address('::1'), sport: 1, dport: 2, proto: Proto.Tcp };
  const asked = { addr: address('10.96.0.10'), port: 80, proto: Proto.Tcp, ...pair };
  const traffic = { inPackets: 0n, inBytes: 0n, outPackets: 0n, outBytes: 0n, lost: 0n };
  const iface = { addr4: address('0.0.0.0'), addr6: address('::'), mtu: 1500, mac: '02:00:00:00:00:01', flags: 0 };
  const flow6 = { flow: flow({}), saddr: address('::1'), daddr: address('::1'), nexthop: address('::') };
  const rows: Record<string, CellRow> = {
    backends: backendCells(must(BACKENDS[0])),
    conns: connsCells([pair, { opened: 0n, active: 0n }], names()),
    affinity: affinityCells(
      [
        { client: address('::1'), service: 1, kind: ClientKind.Address },
        { lastNew: 0n, backend: 1 },
      ],
      names(),
      0n,
    ),
    control: controlCells({
      generation: 1,
      flags: 0,
      node4: address('0.0.0.0'),
      node6: address('::'),
      local4: address('0.0.0.0'),
      local4Mask: address('0.0.0.0'),
      local4Bits: 0,
      local6: address('::'),
      local6Mask: address('::'),
      local6Bits: 0,
    }),
    flows4: flowCells([tuple, flow6], names(), 0n),
    frontends: frontendCells(must(FRONTENDS[0]), names()),
    ifaces: ifaceCells([{ ifindex: 7 }, iface], names()),
    netns_opt_outs: netnsCells([{ cookie: 1n }, {}]),
    node_addrs: nodeAddrCells([{ addr: address('::1') }, { flags: 0 }]),
    service_addrs: serviceAddrCells([{ addr: address('::1') }, { flags: 0 }]),
    service_ranges: serviceRangeCells([{ addr: address('::1'), prefixlen: 128 }, {}]),
    source_ranges: sourceRangeCells([{ addr: address('::1'), service: 1, prefixlen: 160 }, {}], names()),
    services: serviceCells(must(SERVICES[0])),
    sets: setCells(setReader().read(2), names()),
    slots: must([...slotCells([setReader().read(2)], names())][0]),
    sockets: socketCells([{ cookie: 1n }, asked], names()),
    traffic: trafficCells([pair, traffic], names()),
    udp_peers: udpPeerCells([{ cookie: 1n, addr: address('::1'), port: 1 }, asked], names()),
  };
  const text = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

  it.each(Object.keys(rows))('names the properties of a row of %s', (map) => {
    const line = text.split('\n').find((each) => each.startsWith('| ') && each.split('|')[1]?.includes(`\`${map}\``));
    const [, , described = ''] = line?.split('|') ?? [];
    const named = [...described.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining(Object.keys(rows[map] ?? {})));
  });
});
