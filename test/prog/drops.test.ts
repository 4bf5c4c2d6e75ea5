// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendFlags, DROP_REASON_NAMES, FlowState, Proto } from '../../src/abi/enums.gen.ts';
import { TestObject } from '../support/bpf-object.ts';
import { packet } from '../support/packet.ts';
import type { Cast } from '../support/prog-addresses.ts';
import { addressOf, alone, CASTS, prefixOf } from '../support/prog-addresses.ts';
import type { BenchOptions, GivenService, Verdict } from '../support/prog-bench.ts';
import { ProgBench } from '../support/prog-bench.ts';
import { end, segment } from '../support/prog-packets.ts';

const { Local, Remote } = BackendFlags;

interface Row {
  readonly reason: string;
  readonly when: string;
  readonly options?: () => BenchOptions;
  readonly backends: (cast: Cast) => GivenService['backends'];
  readonly sourceRanges?: (cast: Cast) => readonly string[];
  /** Before the packet. */
  readonly given?: (bench: ProgBench, cast: Cast) => Promise<void> | void;
  readonly ttl?: number;
  readonly size?: number;
  readonly verdict?: Verdict;
  /** Rows in the flow table afterwards. */
  readonly flows?: number;
}

const to = (addr: string, flags: number) => [{ addr, port: 8080, flags }];

const ROWS: readonly Row[] = [
  { reason: 'no_backend', when: 'nobody serves', backends: () => 'reject', verdict: 'redirect' },
  { reason: 'no_local_backend', when: 'backends are elsewhere only', backends: () => 'drop' },
  {
    reason: 'snat_exhausted',
    when: 'each source port is taken',
    options: () => ({ settings: { snatPortCount: 1 } }),
    backends: ({ remote }) => to(remote, Remote),
    given: async (bench, { otherClient, frontend }) => {
      await bench.run('tc_ingress', packet(segment('S', end(otherClient, 40_001), end(frontend, 80))));
    },
    flows: 2,
  },
  {
    reason: 'snat_no_address',
    when: 'the device towards the backend has no address',
    backends: ({ behindBare }) => to(behindBare, Remote),
  },
  {
    reason: 'no_route',
    when: 'the route to the backend says unreachable',
    backends: ({ unreachable }) => to(unreachable, Remote),
  },
  {
    reason: 'ttl_exceeded',
    when: 'the packet may pass no router more',
    backends: ({ remote }) => to(remote, Remote),
    ttl: 1,
    flows: 2,
  },
  {
    reason: 'too_big',
    when: 'the packet does not fit the next link',
    backends: ({ remote }) => to(remote, Remote),
    size: 1450,
    verdict: 'redirect',
    flows: 2,
  },
  {
    reason: 'flows_full',
    when: 'the flow table takes no row',
    options: () => ({ object: unevicting.path, sizes: { flows4: 1, flows6: 1 } }),
    backends: ({ local }) => to(local, Local),
  },
  {
    reason: 'flow_leaving',
    when: 'the sweeper is just removing the old row',
    backends: ({ local }) => to(local, Local),
    given: async (bench, { client, frontend }) => {
      await bench.run('tc_ingress', packet(segment('S', end(client, 40_001), end(frontend, 80))));
      bench.patchFlows(({ state }) => ({ state: state | FlowState.Rst | FlowState.Leaving }));
    },
    flows: 2,
  },
  {
    reason: 'stale_set',
    when: 'a slot names a backend that is free',
    backends: ({ local }) => to(local, Local),
    given: (bench) => {
      bench.datapath.lb.clearBackend(1);
    },
  },
  {
    reason: 'source_range',
    when: 'the client is in none of the source ranges',
    backends: ({ local }) => to(local, Local),
    sourceRanges: ({ otherClient }) => [alone(otherClient)],
  },
  {
    reason: 'no_service',
    when: 'nobody has the port at an address of the Services',
    backends: ({ local }) => to(local, Local),
    given: (bench, { frontend }) => {
      bench.datapath.host.setServiceRanges([prefixOf(alone(frontend))]);
      bench.datapath.lb.deleteFrontends([{ addr: addressOf(frontend), port: 80, proto: Proto.Tcp }]);
    },
    verdict: 'redirect',
  },
];

/** Reasons that no packet and no map can provoke, and why they are there nevertheless. */
const NOT_PROVOKED: Readonly<Record<string, string>> = {
  none: 'the zero of the enum, never counted',
  helper_failed:
    'helpers that write to a packet fail on offsets outside it, which parsing has ruled out, and when memory runs out',
};

let unevicting: TestObject;
beforeAll(async () => {
  unevicting = await TestObject.product('without-eviction');
});
afterAll(() => {
  unevicting[Symbol.dispose]();
});

describe.each(ROWS)('$reason', (row) => {
  let bench: ProgBench;
  beforeAll(async () => {
    bench = await ProgBench.open(row.options?.());
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  it.each(CASTS)(`is counted when ${row.when}, IPv$family`, async (cast) => {
    bench.reset();
    const frontend = end(cast.frontend, 80);
    const sourceRanges = row.sourceRanges?.(cast) ?? [];
    bench.service({ frontends: [frontend], backends: row.backends(cast), sourceRanges });
    await row.given?.(bench, cast);
    const payload = Buffer.alloc(row.size ?? 0);
    const spec = segment('S', end(cast.client, 40_001), frontend, { l4: { payload }, ip: { ttl: row.ttl ?? 64 } });
    const { verdict } = await bench.run('tc_ingress', packet(spec));
    expect(verdict).toBe(row.verdict ?? 'drop');
    expect(bench.drops()).toEqual({ [row.reason]: { packets: 1n, bytes: BigInt(packet(spec).length - 14) } });
    expect(bench.flows()).toHaveLength(row.flows ?? 0);
  });
});

describe('a flow table that takes no second row', () => {
  let bench: ProgBench;
  beforeAll(async () => {
    bench = await ProgBench.open({ object: unevicting.path, sizes: { flows4: 2, flows6: 2 } });
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  it.each(CASTS)('keeps the first where it was there before, IPv$family', async (cast) => {
    bench.reset();
    const [client, frontend, local] = [end(cast.client, 40_001), end(cast.frontend, 80), end(cast.local, 8080)];
    bench.service({ frontends: [frontend], backends: [{ ...local, flags: Local }] });
    await bench.run('tc_ingress', packet(segment('S', client, frontend)));
    bench.evict(client);
    const [reply] = bench.flows();
    const { flows4, flows6 } = bench.datapath.maps;
    for (const [key, row] of flows4.entries()) flows4.set({ ...key, sport: 1 }, row);
    for (const [key, row] of flows6.entries()) flows6.set({ ...key, sport: 1 }, row);
    expect((await bench.run('tc_ingress', packet(segment('S', client, frontend)))).verdict).toBe('drop');
    expect(bench.drops()).toMatchObject({ flows_full: { packets: 1n } });
    expect(bench.flows()).toHaveLength(2);
    expect(bench.flows()).toContainEqual({ ...reply, lastSeen: expect.any(Number) as number });
  });
});

describe('drop reasons', () => {
  it('each have a row, or are known to be out of reach', () => {
    const named = [...ROWS.map(({ reason }) => reason), ...Object.keys(NOT_PROVOKED)];
    expect(named.sort()).toEqual([...DROP_REASON_NAMES].sort());
  });
});
