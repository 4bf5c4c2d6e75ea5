// SPDX-License-Identifier: Apache-2.0
// Removes flows that are over by running the program sweep on them: only a program can look at a row and remove it with
// no packet in between (bpf/sweep.bpf.c).

import type { Flow, SweepEntry, SweepSeen } from '../abi/codecs.gen.ts';
import { sweepEntryCodec, sweepRequestCodec } from '../abi/codecs.gen.ts';
import { SweepOutcome } from '../abi/enums.gen.ts';
import { KernelError } from '../kernel/errors.ts';
import type { NativeProgram } from '../kernel/native-types.ts';
import type { EndedFlow, FlowRemover } from './lb-maps.ts';

/** As many as fit the packet of a test run on a page of 4 KiB. */
const ENTRIES = 48;
const UNSEEN: SweepSeen = { packets: 0n, lastSeen: 0, state: 0 };

export class SweepProgram implements FlowRemover {
  readonly #program: NativeProgram;

  constructor(program: NativeProgram) {
    this.#program = program;
  }

  remove(family: 4 | 6, flows: readonly EndedFlow[]): boolean[] {
    const removed: boolean[] = [];
    for (let at = 0; at < flows.length; at += ENTRIES) {
      const entries = flows.slice(at, at + ENTRIES).map((flow) => entryOf(family, flow));
      for (const { outcome } of this.#run(entries)) removed.push(outcome !== SweepOutcome.Changed);
    }
    return removed;
  }

  #run(entries: readonly SweepEntry[]): SweepEntry[] {
    const data = new Uint8Array(sweepRequestCodec.size + entries.length * sweepEntryCodec.size);
    const view = new DataView(data.buffer);
    const offsetOf = (index: number): number => sweepRequestCodec.size + index * sweepEntryCodec.size;
    sweepRequestCodec.encode({ next: 0 }, view, 0);
    for (const [index, entry] of entries.entries()) sweepEntryCodec.encode(entry, view, offsetOf(index));
    const answer = this.#runWhole(data, entries.length);
    const { next } = sweepRequestCodec.decode(answer, 0);
    if (next !== entries.length) throw new Error(`program sweep ended after ${next} of ${entries.length} flows`);
    return entries.map((_, index) => sweepEntryCodec.decode(answer, offsetOf(index)));
  }

  /** A signal ends a test run early, and its answer is lost. What it has removed is found to be gone the next time. */
  #runWhole(data: Uint8Array, repeat: number): DataView {
    for (;;) {
      try {
        const { data: answer } = this.#program.testRun({ data, repeat });
        return new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'EINTR') throw error;
      }
    }
  }
}

function entryOf(family: 4 | 6, { key, row, pair }: EndedFlow): SweepEntry {
  const seen = ({ flow }: { readonly flow: Flow }): SweepSeen => ({
    packets: flow.packets,
    lastSeen: flow.lastSeen,
    state: flow.state,
  });
  return {
    ...key,
    family,
    outcome: SweepOutcome.None,
    hasPair: pair === undefined ? 0 : 1,
    row: seen(row),
    pair: pair === undefined ? UNSEEN : seen(pair),
  };
}
