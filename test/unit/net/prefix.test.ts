// SPDX-License-Identifier: Apache-2.0
// Prefixes, with node's BlockList as the second opinion on membership.

import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { family, parseAddress } from '../../../src/net/ip.ts';
import type { Prefix } from '../../../src/net/prefix.ts';
import {
  addressAt,
  contains,
  parsePrefix,
  parsePrefixLenient,
  prefixSize,
  prefixText,
  toPrefix,
} from '../../../src/net/prefix.ts';

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('is undefined');
  return value;
}

const address = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .map(parseAddress)
  .filter((each) => each !== undefined);

describe('parsePrefix', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.0.2.1/32', '192.0.2.1/32'],
    ['::/0', '::/0'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['2001:DB8:0::/48', '2001:db8::/48'],
  ])('reads %s', (text, expected) => {
    expect(prefixText(must(parsePrefix(text)))).toBe(expected);
  });

  it.each([
    '',
    '10.0.0.0',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.1.0.0/8',
    '10.0.0.0/8/8',
    '010.0.0.0/8',
    ' 10.0.0.0/8',
  ])('refuses %j', (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  });
});

describe('parsePrefixLenient', () => {
  it.each([
    [' 203.0.113.0/24 ', '203.0.113.0/24'],
    ['203.0.113.000/025', '203.0.113.0/25'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['2001:db8::1/64', '2001:db8::/64'],
  ])('reads %j as %s', (text, expected) => {
    expect(prefixText(must(parsePrefixLenient(text)))).toBe(expected);
  });

  it.each(['', '10.0.0.0', '10.0.0.0/33', '::/129', 'x/8'])('refuses %j', (text) => {
    expect(parsePrefixLenient(text)).toBeUndefined();
  });
});

describe('contains', () => {
  it('agrees with a BlockList', () => {
    fc.assert(
      fc.property(address, fc.nat(128), address, fc.nat(128), (base, bits, other, near) => {
        const prefix = toPrefix(base, Math.min(bits, family(base) === 4 ? 32 : 128));
        // Half of the addresses asked for share some bits with the prefix.
        const asked = toPrefix(near % 2 === 0 ? base : other, near % 33)?.address ?? other;
        const list = new BlockList();
        const type = (of: 4 | 6) => (of === 4 ? 'ipv4' : 'ipv6');
        list.addSubnet(must(prefix).address, must(prefix).bits, type(family(base)));
        const expected = family(asked) === family(base) && list.check(asked, type(family(asked)));
        expect(contains(must(prefix), asked)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('is false across families', () => {
    expect(contains(must(parsePrefix('::/0')), must(parseAddress('192.0.2.1')))).toBe(false);
    expect(contains(must(parsePrefix('0.0.0.0/0')), must(parseAddress('::1')))).toBe(false);
  });
});

describe('toPrefix', () => {
  it('has no length beyond the family', () => {
    expect(toPrefix(must(parseAddress('192.0.2.1')), 33)).toBeUndefined();
    expect(toPrefix(must(parseAddress('192.0.2.1')), -1)).toBeUndefined();
    expect(toPrefix(must(parseAddress('::1')), 128)?.address).toBe('::1');
  });
});

describe('the addresses of a prefix', () => {
  const at = (text: string, index: number) => addressAt(must(parsePrefix(text)), index);

  it('are counted from the first', () => {
    expect(at('10.0.0.0/8', 0)).toBe('10.0.0.0');
    expect(at('10.0.0.0/8', 300)).toBe('10.0.1.44');
    expect(at('10.0.0.0/8', 2 ** 24 - 1)).toBe('10.255.255.255');
    expect(at('fd00:96::/112', 0xffff)).toBe('fd00:96::ffff');
    expect(at('fd00::/64', 2 ** 40)).toBe('fd00::100:0:0');
  });

  it('are all inside', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 16, max: 32 }), fc.nat(), (base, bits, index) => {
        const prefix: Prefix = must(toPrefix(base, bits));
        expect(contains(prefix, addressAt(prefix, index % prefixSize(prefix)))).toBe(true);
      }),
    );
  });

  it('end with the last', () => {
    expect(() => at('192.0.2.0/30', 4)).toThrow('192.0.2.0/30 has no address number 4');
    expect(() => at('192.0.2.0/30', -1)).toThrow(RangeError);
    expect(prefixSize(must(parsePrefix('192.0.2.0/30')))).toBe(4);
  });
});
