// SPDX-License-Identifier: Apache-2.0
// The 64-bit word of a set, packed and unpacked (enum set_word of the ABI).

import { SetWord } from './enums.gen.ts';
import type { SetMode } from './enums.gen.ts';

export interface SetState {
  readonly mode: SetMode;
  readonly first: number;
  readonly count: number;
}

export function packSet({ mode, first, count }: SetState): bigint {
  return (
    (BigInt(mode) << BigInt(SetWord.ModeShift)) |
    (BigInt(count) << BigInt(SetWord.CountShift)) |
    (BigInt(first) << BigInt(SetWord.FirstShift))
  );
}

export function unpackSet(word: bigint): SetState {
  return {
    mode: Number((word >> BigInt(SetWord.ModeShift)) & mask(SetWord.ModeBits)) as SetMode,
    count: Number((word >> BigInt(SetWord.CountShift)) & mask(SetWord.CountBits)),
    first: Number(word & 0xffff_ffffn),
  };
}

function mask(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}
