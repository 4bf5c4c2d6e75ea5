// SPDX-License-Identifier: Apache-2.0
// What the program at the uplink answers to a question: packets from ever new ports until the same backends have come
// often enough. It knows no object.

import { packet, parsePacket } from '../../support/packet.ts';
import type { Outcome, ProgBench } from '../../support/prog-bench.ts';
import { end, transport } from '../../support/prog-packets.ts';
import type { Answer, Question } from './reading.ts';

/** A list of six, one of which 60 packets miss once in ten thousand questions; a miss is asked again. */
const PACKETS = 60;
const ROUNDS = 8;

export class KernelAnswers {
  readonly #bench: ProgBench;
  #port = 1024;

  constructor(bench: ProgBench) {
    this.#bench = bench;
  }

  /** `expected` only tells when to stop asking for more. */
  async ask(question: Question, expected: Answer): Promise<Answer> {
    const seen = new Set<string>();
    const few = typeof expected === 'string' || expected.length < 2;
    for (let round = 0; round < (few ? 1 : ROUNDS); round++) {
      const frames = Array.from({ length: few ? 4 : PACKETS }, () => this.#frame(question));
      for (const outcome of await this.#bench.runMany('tc_ingress', frames)) seen.add(answerOf(question, outcome));
      if (typeof expected !== 'string' && expected.every((backend) => seen.has(backend))) break;
    }
    const [only = ''] = seen;
    return seen.size === 1 && isDenial(only) ? only : [...seen].sort();
  }

  #frame({ from, to, port, protocol }: Question): Uint8Array {
    this.#port = this.#port === 65_535 ? 1024 : this.#port + 1;
    const proto = protocol === 'TCP' ? 'tcp' : 'udp';
    return packet(
      transport(proto, end(from, this.#port), end(to, port), proto === 'tcp' ? { l4: { flags: 'S' } } : {}),
    );
  }
}

// --- internal ---

function isDenial(text: string): text is 'untouched' | 'refused' | 'dropped' {
  return text === 'untouched' || text === 'refused' || text === 'dropped';
}

function answerOf({ from, to, port }: Question, { verdict, frame }: Outcome): string {
  if (verdict === 'drop') return 'dropped';
  const { src, dst, proto, flags, dport, icmp } = parsePacket(frame);
  if (dst === from) {
    const refusal = proto === 'tcp' ? flags === 'RA' || flags === 'AR' : proto === 'icmp' && icmp !== undefined;
    return refusal && src === to ? 'refused' : `an answer of ${src}: ${proto} ${flags}`;
  }
  return dst === to && dport === port ? 'untouched' : `${dst} ${dport}`;
}
