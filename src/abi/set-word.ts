// SPDX-License-Identifier: Apache-2.0
// The 64-bit word of a set, packed and unpacked (enum set_word of the ABI).

import { SetWord } from './enums.gen.ts';
import type { SetMode } from './enums.gen.ts';

export interface SetState {
  readonly mode: SetMode;
  readonly first: number;
  readonly count: number;
  /** Weights other than 1 went into a Maglev table. */
  readonly isWeighted?: boolean;
  /** The members of the table stand behind its slots. */
  readonly withMembers?: boolean;
}

export function packSet({ mode, first, count, isWeighted = false, withMembers = false }: SetState): bigint {
  return (
    (BigInt(isWeighted) << BigInt(SetWord.WeightedShift)) |
    (BigInt(withMembers) << BigInt(SetWord.MembersShift)) |
    (BigInt(mode) << BigInt(SetWord.ModeShift)) |
    (BigInt(count) << BigInt(SetWord.CountShift)) |
    (BigInt(first) << BigInt(SetWord.FirstShift))
  );
}

export function unpackSet(word: bigint): Required<SetState> {
  return {
    mode: Number((word >> BigInt(SetWord.ModeShift)) & mask(SetWord.ModeBits)) as SetMode,
    count: Number((word >> BigInt(SetWord.CountShift)) & mask(SetWord.CountBits)),
    first: Number(word & 0xffff_ffffn),
    isWeighted: ((word >> BigInt(SetWord.WeightedShift)) & 1n) === 1n,
    withMembers: ((word >> BigInt(SetWord.MembersShift)) & 1n) === 1n,
  };
}

function mask(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}
