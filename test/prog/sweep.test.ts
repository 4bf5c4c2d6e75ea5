// SPDX-License-Identifier: Apache-2.0
// What the sweeper has judged to be over, and packets that come in between: rows must go together or not at all.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags, FlowFlags, FlowState } from '../../src/abi/enums.gen.ts';
import type { EndedFlow } from '../../src/datapath/lb-maps.ts';
import { SweepProgram } from '../../src/datapath/flow-remover.ts';
import { BackendTable } from '../../src/reconcile/backend-table.ts';
import { ServiceIds } from '../../src/reconcile/service-ids.ts';
import { DEFAULT_TIMEOUTS, Sweeper } from '../../src/reconcile/sweeper.ts';
import { packet, parsePacket } from '../support/packet.ts';
import type { Cast } from '../support/prog-addresses.ts';
import { CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import type { End } from '../support/prog-packets.ts';
import { end, segment } from '../support/prog-packets.ts';

let bench: ProgBench;
let sweeping: SweepProgram;

beforeAll(async () => {
  bench = await ProgBench.open();
  sweeping = new SweepProgram(bench.datapath.program('sweep'));
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

/** Of the family, the client's row first. */
function seen({ family }: Cast): EndedFlow[] {
  const { flows4, flows6 } = bench.datapath.maps;
  const rows = family === 4 ? [...flows4.entries()] : [...flows6.entries()];
  return rows
    .filter(([, { flow }]) => (flow.flags & FlowFlags.Reply) === 0)
    .map(([key, row]) => {
      const pair = rows.find(([other]) => other.saddr === row.daddr && other.dport === row.flow.sport);
      return { key, row, pair: pair?.[1] };
    });
}

function given({ frontend, local }: Cast): End {
  bench.service({ frontends: [end(frontend, 80)], backends: [{ addr: local, port: 8080, flags: BackendFlags.Local }] });
  return end(frontend, 80);
}

describe.each(CASTS)('the program sweep, IPv$family', (cast) => {
  const client = (port: number): End => end(cast.client, port);
  const open = async (frontend: End, ...ports: number[]): Promise<void> => {
    await bench.runMany(
      'tc_ingress',
      ports.map((port) => packet(segment('S', client(port), frontend))),
    );
  };

  it('removes both rows of each flow that is as it was seen, however many there are', async () => {
    const ports = Array.from({ length: 130 }, (_, n) => 40_000 + n);
    await open(given(cast), ...ports);
    expect(bench.flows()).toHaveLength(260);
    expect(sweeping.remove(cast.family, seen(cast))).toEqual(ports.map(() => true));
    expect(bench.flows()).toEqual([]);
  });

  it('keeps both rows of a flow that a packet has reached since', async () => {
    const frontend = given(cast);
    await open(frontend, 40_001, 40_002, 40_003);
    const flows = seen(cast);
    await bench.run('tc_ingress', packet(segment('A', client(40_001), frontend)));
    await bench.run('tc_egress', packet(segment('SA', end(cast.local, 8080), client(40_002))));
    const outcomes = sweeping.remove(cast.family, flows);
    expect(flows.map(({ key }, n) => [key.sport, outcomes[n]]).sort()).toEqual([
      [40_001, false],
      [40_002, false],
      [40_003, true],
    ]);
    expect(bench.flows()).toHaveLength(4);
  });

  it('keeps a flow whose rows a new connection has taken over, with as many packets in the same second', async () => {
    const frontend = given(cast);
    await open(frontend, 40_001);
    bench.patchFlows(({ state }) => ({ state: state | FlowState.Rst, packets: 1n }));
    const flows = seen(cast);
    await open(frontend, 40_001);
    expect(sweeping.remove(cast.family, flows)).toEqual([false]);
    expect(bench.flows()).toHaveLength(2);
  });

  it('removes a row that is alone, and counts as removed what has gone by itself', async () => {
    await open(given(cast), 40_001);
    const flows = seen(cast);
    bench.evict(end(cast.local, 8080));
    expect(sweeping.remove(cast.family, flows)).toEqual([false]);
    expect(sweeping.remove(cast.family, seen(cast))).toEqual([true]);
    expect(sweeping.remove(cast.family, flows)).toEqual([true]);
    expect(bench.flows()).toEqual([]);
  });

  it('removes a reply row whose client has found another way, and leaves that way alone', async () => {
    await open(given(cast), 40_001);
    const { flows4, flows6 } = bench.datapath.maps;
    const orphan = cast.family === 4 ? [...flows4.entries()] : [...flows6.entries()];
    const [key, row] = orphan.find(([, { flow }]) => flow.flags & FlowFlags.Reply) ?? [];
    if (key === undefined || row === undefined) throw new Error('there is no reply row');
    const other = { ...key, dport: 50_000 };
    if (cast.family === 4) flows4.set(other, row);
    else flows6.set(other, row);
    expect(bench.flows()).toHaveLength(3);
    expect(sweeping.remove(cast.family, [{ key: other, row, pair: undefined }])).toEqual([true]);
    expect(bench.flows().map(({ from, to }) => `${from} ${to}`)).toHaveLength(2);
    expect(bench.flows().some(({ to }) => to.endsWith(' 50000'))).toBe(false);
  });

  it('takes nothing from connections that are opened on the ports of ended ones', async () => {
    const frontend = end(cast.frontend, 80);
    const remote = end(cast.remote, 8080);
    bench.service({ frontends: [frontend], backends: [{ ...remote, flags: BackendFlags.Remote }] });
    // By the source port that each gets when it is free: no two want the same.
    const connections = new Map<string, readonly [End, End]>();
    for (let port = 40_000; connections.size < 20; port++) {
      await open(frontend, port);
      for (const flow of seen(cast)) {
        const { saddr, flow: after } = flow.row;
        connections.set(`${after.sport}`, [client(port), end(saddr, after.sport)]);
        sweeping.remove(cast.family, [flow]);
      }
    }
    const turn = [...connections.values()].flatMap(([from, snat]) => [
      segment('S', from, frontend),
      segment('SA', remote, snat),
      segment('A', from, frontend),
      segment('A', remote, snat),
      segment('R', from, frontend),
    ]);
    const frames = Array.from({ length: 50 }, () => turn.map((spec) => packet(spec))).flat();
    const atOnce = new Sweeper(bench.datapath.lb, sweeping, { ...DEFAULT_TIMEOUTS, tcpReset: -1 });
    const tables = [new BackendTable(bench.datapath.lb), new ServiceIds(bench.datapath.lb)] as const;
    const untranslated: string[] = [];
    let removed = 0;
    for (let round = 0; round < 100; round++) {
      const done = new AbortController();
      const packets = bench.runMany('tc_ingress', frames).finally(() => {
        done.abort();
      });
      while (!done.signal.aborted) {
        removed += (await atOnce.sweep(...tables)).removed;
        await nextTurn();
      }
      const outcomes = await packets;
      for (const [n, { verdict, frame }] of outcomes.entries()) {
        // A SYN may find its old row leaving; then its connection does not begin.
        if (outcomes[n - (n % 5)]?.verdict === 'redirect' && verdict !== 'redirect')
          untranslated.push(`round ${round}, ${JSON.stringify(parsePacket(frame))}`);
      }
    }
    expect(untranslated).toEqual([]);
    expect(removed).toBeGreaterThan(1000);
  });
});
