// SPDX-License-Identifier: Apache-2.0
// The two flags with ranges, as kube-apiserver writes them.

import { describe, expect, it } from 'vitest';
import { BpfsvcError } from '../../../../src/errors.ts';
import { prefixText } from '../../../../src/net/prefix.ts';
import { parsePortRange, rangeText } from '../../../../src/sources/manifests/port-range.ts';
import { parseServiceCidrs } from '../../../../src/sources/manifests/service-cidrs.ts';

describe('parseServiceCidrs', () => {
  it.each([
    ['10.96.0.0/16', ['10.96.0.0/16']],
    ['fd00:96::/112, 10.96.0.0/16', ['fd00:96::/112', '10.96.0.0/16']],
  ])('reads %s', (text, expected) => {
    expect(parseServiceCidrs(text).map(prefixText)).toEqual(expected);
  });

  it.each([
    [
      '10.96.0.0',
      '"10.96.0.0" is not a prefix; give one prefix, or two of different families separated by a comma: 10.96.0.0/16,fd00:96::/112',
    ],
    ['10.96.0.1/16', '"10.96.0.1/16" is not a prefix, 10.96.0.0/16 would be; '],
    ['10.96.0.0/16,10.97.0.0/16', '"10.96.0.0/16,10.97.0.0/16" has two prefixes of one family; '],
    ['', '"" is not a prefix; '],
  ])('refuses %j', (text, expected) => {
    expect(() => parseServiceCidrs(text)).toThrow(expected);
  });
});

describe('parsePortRange', () => {
  it.each([
    ['30000-32767', '30000-32767'],
    ['30000+10', '30000-30010'],
    ['8080', '8080-8080'],
    [' 1-65535 ', '1-65535'],
  ])('reads %j', (text, expected) => {
    expect(rangeText(parsePortRange(text))).toBe(expected);
  });

  it.each(['', '0-10', '10-9', '1-65536', '65535+1', '-5', 'a-b', '1-2-3'])('refuses %j', (text) => {
    expect(() => parsePortRange(text)).toThrow(
      `"${text}" is not a range of node ports; write first-last or first+count, all within 1..65535: 30000-32767`,
    );
  });
});

describe('an error', () => {
  it('has a code, what it means, and what to do', () => {
    const thrown = (): unknown => {
      try {
        return parsePortRange('x');
      } catch (error) {
        return error;
      }
    };
    const error = thrown();
    expect(error).toBeInstanceOf(BpfsvcError);
    expect(error).toMatchObject({
      name: 'BpfsvcError',
      code: 'node-port-range-invalid',
      meaning: '--service-node-port-range is not a range of ports',
      remedy: 'write first-last or first+count, all within 1..65535: 30000-32767',
    });
  });
});
