// SPDX-License-Identifier: Apache-2.0
// Active connections, by which some algorithms choose: counted once when they begin, and once when they end.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendFlags } from '../../src/abi/enums.gen.ts';
import { packet } from '../support/packet.ts';
import { CASTS } from '../support/prog-addresses.ts';
import { ProgBench } from '../support/prog-bench.ts';
import { end, segment } from '../support/prog-packets.ts';

let bench: ProgBench;

beforeAll(async () => {
  bench = await ProgBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  bench.reset();
});

describe.each(CASTS)('active connections, IPv$family', (cast) => {
  const [client, frontend, local] = [end(cast.client, 40_001), end(cast.frontend, 80), end(cast.local, 8080)];
  let backend: number | undefined;

  /** What passes, by who sends it. */
  async function pass(...steps: readonly (readonly [from: 'client' | 'backend', flags: string])[]): Promise<bigint> {
    for (const [from, flags] of steps) {
      const { verdict } =
        from === 'client'
          ? await bench.run('tc_ingress', packet(segment(flags, client, frontend)))
          : await bench.run('tc_egress', packet(segment(flags, local, client)));
      expect(verdict).toBe('pass');
    }
    return bench.active()[backend ?? 0] ?? 0n;
  }

  beforeEach(() => {
    [backend] = bench.service({ frontends: [frontend], backends: [{ ...local, flags: BackendFlags.Local }] }).backends;
  });

  it('count one that is open, and one that is closed by one side', async () => {
    expect(await pass(['client', 'S'], ['backend', 'SA'], ['client', 'A'])).toBe(1n);
    expect(await pass(['client', 'FA'], ['backend', 'A'])).toBe(1n);
  });

  it('end once when both sides have closed, though the last word is repeated', async () => {
    await pass(['client', 'S'], ['backend', 'SA']);
    expect(await pass(['backend', 'FA'], ['client', 'FA'], ['client', 'FA'], ['backend', 'FA'])).toBe(0n);
  });

  it.each(['client', 'backend'] as const)('end once when the %s resets', async (side) => {
    await pass(['client', 'S'], ['backend', 'SA']);
    expect(await pass([side, 'R'], [side, 'R'])).toBe(0n);
  });

  it('count a port that is used again once', async () => {
    await pass(['client', 'S'], ['client', 'R']);
    expect(await pass(['client', 'S'], ['client', 'S'])).toBe(1n);
    expect(bench.opened()).toEqual({ [backend ?? 0]: 2n });
  });
});
