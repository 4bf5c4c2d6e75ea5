// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { ConnectionAudit } from '../../../src/reconcile/connection-audit.ts';
import { FakeLbMaps, pairName } from '../../support/fake-lb-maps.ts';

const PAIR = { service: 1, backend: 7 };

function stage(active: bigint) {
  const maps = new FakeLbMaps();
  const audit = new ConnectionAudit(maps);
  const count = (now: bigint): void => {
    maps.kernel.conns.set(pairName(PAIR), { opened: 9n, active: now });
  };
  count(active);
  const sweep = (met: number, pairs = [PAIR]): bigint | undefined => {
    audit.begin(pairs);
    for (let n = 0; n < met; n++) audit.met(PAIR);
    audit.end();
    return maps.getTraffic(PAIR)?.lost;
  };
  return { maps, count, sweep };
}

test('connections that nobody saw end are found by two sweeps', () => {
  const { sweep } = stage(5n);
  expect(sweep(3)).toBeUndefined();
  expect(sweep(3)).toBe(2n);
});

test('one that comes while a sweep is under way is not taken for lost', () => {
  const { sweep, count } = stage(5n);
  expect(sweep(4)).toBeUndefined();
  count(6n);
  expect(sweep(6)).toBeUndefined();
});

test('what was lost stays so until the count says otherwise, and traffic stays beside it', () => {
  const { sweep, maps, count } = stage(5n);
  maps.putTraffic([[PAIR, { inPackets: 1n, inBytes: 2n, outPackets: 3n, outBytes: 4n, lost: 0n }]]);
  sweep(3);
  sweep(3);
  expect(maps.getTraffic(PAIR)).toEqual({ inPackets: 1n, inBytes: 2n, outPackets: 3n, outBytes: 4n, lost: 2n });
  count(2n);
  sweep(0);
  expect(sweep(0)).toBe(2n);
  count(4n);
  sweep(3);
  expect(sweep(3)).toBe(1n);
});

test('pairs that no algorithm compares are left alone', () => {
  const { sweep, maps } = stage(5n);
  sweep(1, []);
  sweep(1, []);
  expect(maps.writes).toEqual([]);
});
