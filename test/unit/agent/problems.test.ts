// SPDX-License-Identifier: Apache-2.0
// What an agent has to complain of, subject by subject.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Problems } from '../../../src/agent/problems.ts';

function begin() {
  const told: string[][] = [];
  let minute = 0;
  const problems: Problems = new Problems(
    () => told.push(problems.list().map(({ message, since }) => `${message} ${since.slice(14, 16)}`)),
    () => new Date(Date.UTC(2026, 0, 1, 0, minute++)),
  );
  return { problems, told };
}

describe('Problems', () => {
  it('tells once of many changes, and not when nothing has changed', async () => {
    const { problems, told } = begin();
    problems.set('a', []);
    await nextTurn();
    expect(told).toEqual([]);
    problems.set('a', ['x']);
    problems.set('b', ['y']);
    await nextTurn();
    problems.set('b', ['y']);
    await nextTurn();
    expect(told).toEqual([['x 01', 'y 02']]);
  });

  it('keeps the time when a problem was first met, as long as it lasts', async () => {
    const { problems, told } = begin();
    problems.set('a', ['x']);
    problems.set('a', ['w', 'x']);
    await nextTurn();
    problems.set('a', []);
    problems.set('a', ['x']);
    await nextTurn();
    expect(told).toEqual([['w 01', 'x 00'], ['x 03']]);
  });

  it('says what a problem is about', () => {
    const { problems } = begin();
    problems.set('manifests', ['x']);
    expect(problems.list()).toEqual([{ about: 'manifests', message: 'x', since: '2026-01-01T00:00:00.000Z' }]);
    problems.close();
  });

  it('tells nothing after its end', async () => {
    const { problems, told } = begin();
    problems.set('a', ['x']);
    problems.close();
    await nextTurn();
    expect(told).toEqual([]);
  });
});
