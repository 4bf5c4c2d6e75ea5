// SPDX-License-Identifier: Apache-2.0
// Durations as Go's ParseDuration reads them.

import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../../src/config/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['30s', 30],
    ['1h15m30s', 4530],
    ['24h0m0s', 86_400],
    ['1.5s', 1.5],
    ['.5m', 30],
    ['250ms', 0.25],
    ['-3s', -3],
    ['+3s', 3],
  ])('reads %s as %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBeCloseTo(seconds, 9);
  });

  it.each(['', '30', 's', '30 s', '1d', '3m-2s', '1..5s', '1h 2m'])('refuses "%s"', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
