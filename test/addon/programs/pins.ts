// SPDX-License-Identifier: Apache-2.0
// Another agent, for pins.test.ts: `hold DIR` opens the pin directory and begins to build it, without end;
// `contend DIR MARK ROUNDS` takes it, removes everything and lets go, and tells if somebody else had it meanwhile.

import { mkdirSync, rmdirSync } from 'node:fs';
import { PinDirectory, PinError } from '../../../src/kernel/pins.ts';

const [mode, directory = '', mark = '', rounds] = process.argv.slice(2);

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function contend(): number {
  let held = 0;
  while (held < Number(rounds)) {
    try {
      const pins = PinDirectory.open(directory, 'abc');
      // Fails when another process is between these two lines.
      mkdirSync(mark);
      rmdirSync(mark);
      pins.removeAll();
      held++;
    } catch (error) {
      if (!(error instanceof PinError && error.code === 'locked')) throw error;
    }
  }
  return held;
}

if (mode === 'contend') {
  say({ held: contend() });
} else {
  const pins = PinDirectory.open(directory, 'abc');
  await pins.build(async () => {
    say({ building: true });
    await new Promise((resolve) => setInterval(resolve, 2 ** 30));
  });
}
