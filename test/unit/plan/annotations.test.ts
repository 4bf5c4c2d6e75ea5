// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { algorithmOf, ALGORITHM_ANNOTATION, weightsOf, WEIGHTS_ANNOTATION } from '../../../src/plan/annotations.ts';
import { address, endpoint, serviceRecord, sliceRecord } from '../../support/records.ts';

const ONE = '10.1.0.1';
const TWO = '10.1.0.2';

function weights(ofService: string | undefined, ofSlice?: string) {
  const annotated = (text: string | undefined) => ({
    annotations: text === undefined ? {} : { [WEIGHTS_ANNOTATION]: text },
  });
  const warnings: string[] = [];
  const slice = sliceRecord('web', [endpoint(ONE), endpoint(TWO)], annotated(ofSlice));
  const weight = weightsOf(serviceRecord('web', ['10.96.0.1'], annotated(ofService)), [slice], warnings);
  return { seen: [ONE, TWO].map((text) => weight(slice, address(text))), warnings };
}

describe('weights', () => {
  test.each([
    { title: 'are 1 where nothing is said', service: undefined, slice: undefined, seen: [1, 1] },
    { title: 'are one for all', service: '3', slice: undefined, seen: [3, 3] },
    { title: 'are given by address', service: '10.1.0.2=0', slice: undefined, seen: [1, 0] },
    { title: 'have a rest', service: '10.1.0.2=5, *=2', slice: undefined, seen: [2, 5] },
    { title: "of a slice win over the Service's", service: '3', slice: '10.1.0.1=4', seen: [4, 3] },
    { title: 'of a slice win also with the rest that it gives', service: '10.1.0.1=3', slice: '7', seen: [7, 7] },
  ])('$title', ({ service, slice, seen }) => {
    expect(weights(service, slice)).toEqual({ seen, warnings: [] });
  });

  test.each(['heavy', '-1', '65536', 'nobody=1', '10.1.0.1=', ''])("'%s' is told of, and is 1", (text) => {
    const { seen, warnings } = weights(text);
    expect(seen).toEqual([1, 1]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`'${text}' is no weight`);
  });
});

describe('an algorithm', () => {
  const of = (text: string | undefined) => {
    const warnings: string[] = [];
    const annotations = text === undefined ? {} : { [ALGORITHM_ANNOTATION]: text };
    return { algorithm: algorithmOf(serviceRecord('web', [], { annotations }), 'rr', warnings), warnings };
  };

  test('is the one that the Service asks for', () => {
    expect(of(' wlc ')).toEqual({ algorithm: 'wlc', warnings: [] });
  });

  test('is the preset one where the Service asks for none', () => {
    expect(of(undefined)).toEqual({ algorithm: 'rr', warnings: [] });
  });

  test('that is unknown is told of, and the preset one is used', () => {
    const { algorithm, warnings } = of('fastest');
    expect(algorithm).toBe('rr');
    expect(warnings).toEqual([expect.stringMatching(/'fastest' is none of maglev, random, .*; rr is used/)]);
  });
});
