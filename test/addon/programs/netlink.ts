// SPDX-License-Identifier: Apache-2.0
// Runs in a namespace for netlink.test.ts: tells of every notification, and answers `dump KIND [OPTIONS]`, `flood N`
// (N addresses come while the event loop stands still) and `close`.

import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { addon } from '../../../src/kernel/addon.ts';
import type { DumpOptions, NetlinkKind } from '../../../src/kernel/netlink.ts';

const [kinds = 'link,address,route,neighbour', receiveBuffer] = process.argv.slice(2);

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

const subscription = addon.netlinkSubscribe(
  kinds.split(',') as NetlinkKind[],
  (records, overrun) => {
    say({ records, overrun });
  },
  receiveBuffer === undefined ? undefined : { receiveBuffer: Number(receiveBuffer) },
);
say({ ready: true });

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, argument = '', options] = line.split(' ');
    if (command === 'dump') {
      const parsed = options === undefined ? undefined : (JSON.parse(options) as DumpOptions);
      say({ dump: addon.netlinkDump(argument as NetlinkKind, parsed) });
    } else if (command === 'flood') {
      const lines = Array.from(
        { length: Number(argument) },
        (_, i) => `addr add 192.0.${i >> 8}.${i & 255}/32 dev lo\n`,
      );
      execFileSync('ip', ['-batch', '-'], { input: lines.join('') });
      say({ flooded: true });
    } else {
      subscription.close();
      say({ closed: true });
    }
  })
  .on('close', () => {
    subscription.close();
  });
