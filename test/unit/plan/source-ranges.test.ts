// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { Prefix } from '../../../src/net/prefix.ts';
import { parsePrefix, prefixText } from '../../../src/net/prefix.ts';
import { rangesOf, restrictionOf } from '../../../src/plan/source-ranges.ts';
import { serviceRecord } from '../../support/records.ts';

function prefixes(...texts: string[]): Prefix[] {
  return texts.map((text) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) throw new Error(`${text} is no prefix`);
    return prefix;
  });
}

describe('source ranges', () => {
  test.each([
    { title: 'are those of the family', texts: ['192.0.2.0/24', '2001:db8::/32'], four: ['192.0.2.0/24'] },
    { title: 'are read with padding and leading zeros', texts: [' 192.0.2.041/032\t'], four: ['192.0.2.41/32'] },
    { title: 'filter nothing where one is everything', texts: ['192.0.2.0/24', '0.0.0.0/0'], four: [] },
    { title: 'filter nothing where all are of the other family', texts: ['2001:db8::/32'], four: [] },
  ])('$title', ({ texts, four }) => {
    expect(rangesOf(serviceRecord('web', [], { sourceRanges: texts }), 4).map(prefixText)).toEqual(four);
  });
});

describe('all pods of this node', () => {
  const pods = prefixes('10.244.1.0/24', 'fd00:1::/64');

  test.each([
    { ranges: [], says: undefined },
    { ranges: ['10.244.0.0/16'], says: 'pods-allowed' },
    { ranges: ['10.244.1.0/24'], says: 'pods-allowed' },
    { ranges: ['192.0.2.0/24', '10.244.2.0/24'], says: 'pods-denied' },
    { ranges: ['10.244.1.128/25'], says: 'by-address' },
    { ranges: ['10.244.1.5/32'], says: 'by-address' },
  ])('are judged by $ranges: $says', ({ ranges, says }) => {
    expect(restrictionOf(prefixes(...ranges), pods, 4)).toBe(says);
  });

  test('are judged one by one where their addresses are not known', () => {
    expect(restrictionOf(prefixes('10.244.0.0/16'), prefixes('fd00:1::/64'), 4)).toBe('by-address');
  });

  test('with two prefixes are let in only where both are', () => {
    const two = prefixes('10.244.1.0/24', '10.245.1.0/24');
    expect(restrictionOf(prefixes('10.244.0.0/16'), two, 4)).toBe('by-address');
    expect(restrictionOf(prefixes('10.244.0.0/15'), two, 4)).toBe('pods-allowed');
  });
});
