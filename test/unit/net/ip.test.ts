// SPDX-License-Identifier: Apache-2.0
// Addresses against other implementations: WHATWG URL for the text of IPv6, BigInt arithmetic for the bytes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/net/ip.ts';
import {
  addressBytes,
  addressFromBytes,
  compareAddress,
  family,
  isIPv4,
  parseAddress,
  parseAddressLenient,
  readAddress16,
  readAddress4,
  writeAddress16,
  writeAddress4,
} from '../../../src/net/ip.ts';

/** Groups of 16 bits, zero half of the time, as real addresses are. */
const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 });
const octets = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 });
const isMapped = (of: readonly number[]) => of.slice(0, 5).every((group) => group === 0) && of[5] === 0xffff;
const unmapped = groups.filter((of) => !isMapped(of));

const must = (text: string): Address => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
};

function bytesOf(of: readonly number[]): Uint8Array {
  return Uint8Array.from(of.flatMap((group) => [group >> 8, group & 255]));
}

/** Any spelling of the groups: leading zeros, capitals, a gap anywhere, a dotted tail. */
function spell(of: readonly number[], gapAt: number, pad: number, upper: boolean, dotted: boolean): string {
  const texts = of.map((group) => group.toString(16).padStart(pad, '0'));
  const tail = dotted ? [bytesOf(of.slice(6)).join('.')] : texts.slice(6);
  const parts = [...texts.slice(0, 6), ...tail];
  const length = of[gapAt] === 0 && of[gapAt + 1] === 0 && (!dotted || gapAt < 5) ? 2 : 0;
  const text =
    length === 0 ? parts.join(':') : `${parts.slice(0, gapAt).join(':')}::${parts.slice(gapAt + length).join(':')}`;
  return upper ? text.toUpperCase() : text;
}

describe('parseAddress', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::192.0.2.33', '::c000:221'],
  ])('reads %s as %s', (text, expected) => {
    expect(parseAddress(text)).toBe(expected);
  });

  it.each([
    '',
    ' 192.0.2.1',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.01',
    '0x7f.0.0.1',
    '192.0.2.1/32',
    '1:2:3:4:5:6:7',
    '1::2::3',
    ':::',
    '12345::',
    'fe80::1%eth0',
    '::ffff:192.0.2.1',
    '::FFFF:C000:201',
    'localhost',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it('gives every spelling of an IPv6 address the text that URLs have', () => {
    fc.assert(
      fc.property(unmapped, fc.nat(6), fc.integer({ min: 1, max: 4 }), fc.boolean(), fc.boolean(), (of, ...how) => {
        const text = spell(of, ...how);
        expect(parseAddress(text)).toBe(new URL(`http://[${text}]/`).hostname.slice(1, -1));
      }),
      { numRuns: 2000 },
    );
  });

  it('gives its own text back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseAddress(text);
        if (address !== undefined) expect(parseAddress(address)).toBe(address);
      }),
    );
  });
});

describe('parseAddressLenient', () => {
  it.each([
    ['172.30.0.041', '172.30.0.41'],
    ['000.1.002.3', '0.1.2.3'],
    ['010.000.000.010', '10.0.0.10'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0001:0::00.01.2.3', '1::1:203'],
    ['2001:db8::1', '2001:db8::1'],
  ])('reads %s as %s', (text, expected) => {
    expect(parseAddressLenient(text)).toBe(expected);
  });

  it.each(['', '192.0.2.0400', '192.0.2', 'fe80::1%eth0', 'x'])('refuses %j', (text) => {
    expect(parseAddressLenient(text)).toBeUndefined();
  });

  it('takes what the strict form takes, for the same', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          unmapped.map((of) => spell(of, 0, 1, false, false)),
        ),
        (text) => {
          expect(parseAddressLenient(text)).toBe(parseAddress(text));
        },
      ),
    );
  });
});

describe('the bytes of an address', () => {
  it('are those of its groups, in network order', () => {
    fc.assert(
      fc.property(unmapped, (of) => {
        expect(addressBytes(must(spell(of, 0, 1, false, false)))).toEqual(bytesOf(of));
      }),
      { numRuns: 1000 },
    );
  });

  it('have the v4-mapped form for IPv4', () => {
    fc.assert(
      fc.property(octets, (of) => {
        const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...of]);
        expect(addressBytes(must(of.join('.')))).toEqual(mapped);
        expect(addressFromBytes(mapped)).toBe(of.join('.'));
        expect(addressFromBytes(Uint8Array.from(of))).toBe(of.join('.'));
      }),
    );
  });

  it('give the address back from anywhere in a buffer', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          unmapped.map((of) => spell(of, 0, 1, false, false)),
          fc.ipV4(),
        ),
        fc.nat(9),
        (text, at) => {
          const view = new DataView(new ArrayBuffer(32), 3);
          const address = must(text);
          writeAddress16(address, view, at);
          expect(readAddress16(view, at)).toBe(address);
        },
      ),
    );
  });

  it('are four for IPv4 where four are asked for', () => {
    const view = new DataView(new ArrayBuffer(8));
    writeAddress4(must('192.0.2.1'), view, 2);
    expect([...new Uint8Array(view.buffer)]).toEqual([0, 0, 192, 0, 2, 1, 0, 0]);
    expect(readAddress4(view, 2)).toBe('192.0.2.1');
  });

  it('cannot be four for IPv6', () => {
    expect(() => {
      writeAddress4(must('2001:db8::1'), new DataView(new ArrayBuffer(4)), 0);
    }).toThrow('2001:db8::1 does not fit in 4 bytes');
  });

  it('are the unspecified IPv6 address when all are zero', () => {
    expect(readAddress16(new DataView(new ArrayBuffer(16)), 0)).toBe('::');
  });

  it('are 4 or 16 in number', () => {
    expect(() => addressFromBytes(new Uint8Array(5))).toThrow('4 or 16 bytes, not 5');
  });
});

describe('compareAddress', () => {
  it('orders by the 16-byte form', () => {
    const any = fc
      .oneof(
        fc.ipV4(),
        unmapped.map((of) => spell(of, 0, 1, false, false)),
      )
      .map(must);
    const number = (address: Address) => addressBytes(address).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    fc.assert(
      fc.property(any, any, (a, b) => {
        const difference = number(a) - number(b);
        expect(compareAddress(a, b)).toBe(difference === 0n ? 0 : difference < 0n ? -1 : 1);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the family of an address', () => {
  it.each([
    ['192.0.2.1', 4],
    ['2001:db8::1', 6],
    ['::', 6],
  ] as const)('of %s is %d', (text, expected) => {
    expect(family(must(text))).toBe(expected);
    expect(isIPv4(must(text))).toBe(expected === 4);
  });
});
