// SPDX-License-Identifier: Apache-2.0
// Pure: what annotations of bpfsvc's own say of a Service: its algorithm and its backends' weights. What cannot be read
// is said in words, and the default is used.

import type { EndpointSlice, Service } from '../model/types.ts';
import type { Address } from '../net/ip.ts';
import { parseAddressLenient } from '../net/ip.ts';
import type { Algorithm } from './algorithm.ts';
import { ALGORITHMS, isAlgorithm, MAX_WEIGHT } from './algorithm.ts';

export const ALGORITHM_ANNOTATION = 'bpfsvc.io/algorithm';
/** Of a Service or an EndpointSlice: a number for all, or `10.1.0.5=3, 10.1.0.6=0, *=2`. A slice's own wins. */
export const WEIGHTS_ANNOTATION = 'bpfsvc.io/weights';

/** 0…MAX_WEIGHT; 1 where nothing is said. */
export type Weights = (slice: EndpointSlice, address: Address) => number;

export const NO_WEIGHTS: Weights = () => 1;

export function algorithmOf(service: Service, preset: Algorithm, warnings: string[]): Algorithm {
  const text = service.annotations[ALGORITHM_ANNOTATION]?.trim();
  if (text === undefined || isAlgorithm(text)) return text ?? preset;
  warnings.push(`annotation ${ALGORITHM_ANNOTATION}: '${text}' is none of ${ALGORITHMS.join(', ')}; ${preset} is used`);
  return preset;
}

export function weightsOf(service: Service | undefined, slices: readonly EndpointSlice[], warnings: string[]): Weights {
  const ofService = parseWeights(service, '', warnings);
  const bySlice = new Map<EndpointSlice, WeightList>();
  for (const slice of slices) {
    const list = parseWeights(slice, `EndpointSlice ${slice.name}: `, warnings);
    if (list !== undefined) bySlice.set(slice, list);
  }
  if (ofService === undefined && bySlice.size === 0) return NO_WEIGHTS;
  return (slice, address) => {
    const own = bySlice.get(slice);
    return own?.byAddress.get(address) ?? own?.others ?? ofService?.byAddress.get(address) ?? ofService?.others ?? 1;
  };
}

// --- internal ---

interface WeightList {
  readonly byAddress: ReadonlyMap<Address, number>;
  readonly others: number | undefined;
}

function parseWeights(
  object: { readonly annotations?: Service['annotations'] } | undefined,
  where: string,
  warnings: string[],
): WeightList | undefined {
  const text = object?.annotations?.[WEIGHTS_ANNOTATION];
  if (text === undefined) return undefined;
  const byAddress = new Map<Address, number>();
  let others: number | undefined;
  for (const item of text.split(',').map((each) => each.trim())) {
    const [name = '', value = item] = item.includes('=') ? item.split('=', 2).map((each) => each.trim()) : ['*', item];
    const address = name === '*' ? undefined : parseAddressLenient(name);
    if (!/^\d{1,5}$/.test(value) || Number(value) > MAX_WEIGHT || (name !== '*' && address === undefined)) {
      warnings.push(
        `${where}annotation ${WEIGHTS_ANNOTATION}: '${item}' is no weight; write a number from 0 to ${MAX_WEIGHT}, or ADDRESS=NUMBER; 1 is used`,
      );
    } else if (address === undefined) others = Number(value);
    else byAddress.set(address, Number(value));
  }
  return { byAddress, others };
}
