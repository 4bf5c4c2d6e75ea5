// SPDX-License-Identifier: Apache-2.0
// What `bpfsvc services` tells, from rows that are made up.

import { describe, expect, it } from 'vitest';
import type { PairKey, Traffic } from '../../../src/abi/codecs.gen.ts';
import { FlowFlags, FlowState } from '../../../src/abi/enums.gen.ts';
import type { Row } from '../../../src/datapath/lb-maps.ts';
import type { ServiceRows, ServiceView } from '../../../src/observe/service-view.ts';
import { buildServiceViews } from '../../../src/observe/service-view.ts';
import { flow, FRONTENDS, names, setReader } from './made-up.ts';

const TRAFFIC: readonly Row<PairKey, Traffic>[] = [
  [
    { service: 1, backend: 2 },
    { inPackets: 100n, inBytes: 1000n, outPackets: 90n, outBytes: 9000n, lost: 0n },
  ],
];

function build(rows: Partial<ServiceRows> = {}, wanted?: string): ServiceView[] {
  const nothing = { sockets: [], flows: [], conns: [], traffic: [] };
  return buildServiceViews({ names: names(), sets: setReader(), frontends: FRONTENDS, ...nothing, ...rows }, wanted);
}

function find(views: readonly ServiceView[], id: number): ServiceView {
  const view = views.find((each) => each.id === id);
  if (view === undefined) throw new Error(`no service ${String(id)}`);
  return view;
}

describe('buildServiceViews', () => {
  it('orders services by name and family, frontends by kind, backends by address', () => {
    const views = build();
    expect(views.map(({ name, family }) => `${name} ${String(family)}`)).toEqual([
      'default/dns 4',
      'default/web:http 4',
      'default/web:http 6',
    ]);
    expect(find(views, 1).frontends.map(({ kind }) => kind)).toEqual(['ClusterIP', 'NodePort']);
    expect(find(views, 1).backends.map(({ address }) => address)).toEqual(['10.244.1.5', '10.244.2.7']);
  });

  it('tells from which lists a frontend chooses, and how many slots each backend has in them', () => {
    const view = find(build(), 1);
    expect(view.frontends.map(({ internal, external }) => [internal, external])).toEqual([
      ['cluster', 'cluster'],
      ['cluster', 'local'],
    ]);
    expect(view.backends.map(({ id, slots }) => [id, slots])).toEqual([
      [1, { cluster: 6, local: 5 }],
      [2, { cluster: 4 }],
    ]);
    expect(view.backends.map(({ locality, weight }) => [locality, weight])).toEqual([
      ['local', 1],
      ['remote', 3],
    ]);
  });

  it('tells how an empty set answers', () => {
    expect(find(build(), 3).sets).toMatchObject({ cluster: { mode: 'reject' }, local: { mode: 'reject' } });
    expect(find(build(), 2).sets.local).toMatchObject({ mode: 'drop', span: undefined });
  });

  it('counts sockets and live forward flows as active, by service and backend', () => {
    const flows = [
      flow({ backend: 2 }),
      flow({ backend: 2, flags: FlowFlags.Reply }),
      flow({ backend: 2, state: FlowState.Fin }),
      flow({ backend: 2, state: FlowState.Fin | FlowState.PeerFin }),
      flow({ backend: 2, state: FlowState.Rst }),
      flow({ service: 2, backend: 3 }),
    ];
    const sockets = [
      [{}, { service: 1, backend: 1 }],
      [{}, { service: 1, backend: 1 }],
    ] as const;
    const views = build({ flows, sockets });
    expect(find(views, 1).backends.map(({ active }) => active)).toEqual([2, 2]);
    expect(find(views, 2).backends.map(({ active }) => active)).toEqual([1]);
  });

  it('adds what live flows carry to what ended ones have carried: forward rows in, reply rows out', () => {
    const flows = [
      flow({ backend: 2, packets: 5n, bytes: 50n }),
      flow({ backend: 2, packets: 4n, bytes: 400n, flags: FlowFlags.Reply }),
      flow({ backend: 2, packets: 1n, bytes: 2n, state: FlowState.Rst }),
    ];
    const conns = [[{ service: 1, backend: 2 }, { opened: 12n }]] as const;
    const [, remote] = find(build({ flows, traffic: TRAFFIC, conns }), 1).backends;
    expect(remote).toMatchObject({
      opened: 12n,
      inPackets: 106n,
      inBytes: 1052n,
      outPackets: 94n,
      outBytes: 9400n,
    });
  });

  it('keeps a backend that has left every set while connections to it are on, at the end', () => {
    const socket = [{}, { service: 1, backend: 4 }] as const;
    expect(find(build({ sockets: [socket] }), 1).backends.at(-1)).toMatchObject({ id: 4, retired: true, active: 1 });
    expect(find(build({ flows: [flow({ backend: 4, state: FlowState.Rst })] }), 1).backends).toHaveLength(2);
  });

  it('shows a backend whose row is gone by its id', () => {
    const socket = [{}, { service: 1, backend: 99 }] as const;
    expect(find(build({ sockets: [socket] }), 1).backends.at(-1)).toMatchObject({ id: 99, address: null, port: null });
  });

  it('has the sets of what is shown prepared together', () => {
    const prepared: number[][] = [];
    const reader = setReader();
    const sets = {
      prepare: (ids: Iterable<number>) => prepared.push([...ids].sort()),
      read: (set: number) => reader.read(set),
    };
    build({ sets });
    build({ sets }, 'default/dns');
    expect(prepared).toEqual([
      [2, 3, 4, 5, 6, 7],
      [6, 7],
    ]);
  });

  it('leaves only the Service that is asked for', () => {
    expect(build({}, 'default/web').map(({ id }) => id)).toEqual([1, 2]);
    expect(build({}, 'default/we')).toEqual([]);
  });
});
