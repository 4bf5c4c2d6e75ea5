// SPDX-License-Identifier: Apache-2.0
// Runs loaded programs on packets in the namespace that it was started in: the kernel looks up devices and routes where
// the caller is. It knows no map; lines of JSON in, one line of JSON for each.

import { createInterface } from 'node:readline';
import { addon } from '../../../src/kernel/addon.ts';
import type { NativeProgram } from '../../../src/kernel/native-types.ts';
import type { Answer, Order } from '../../support/prog-bench.ts';

const programs = new Map<number, NativeProgram>();

function open(id: number): NativeProgram {
  const known = programs.get(id);
  if (known !== undefined) return known;
  const program = addon.openProgramById(id);
  programs.set(id, program);
  return program;
}

function carryOut({ id, context, frames }: Order): Answer {
  try {
    const runs = frames.map((frame) => {
      const { retval, data } = open(id).testRun({
        data: Buffer.from(frame, 'hex'),
        context: Buffer.from(context, 'hex'),
      });
      return { retval, frame: Buffer.from(data).toString('hex') };
    });
    return { runs };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    process.stdout.write(`${JSON.stringify(carryOut(JSON.parse(line) as Order))}\n`);
  })
  .on('close', () => {
    for (const program of programs.values()) program.close();
  });
