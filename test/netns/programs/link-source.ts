// SPDX-License-Identifier: Apache-2.0
// Runs in a namespace for links.test.ts: tells the first state of this host and every later one, with what changed.

import { addon } from '../../../src/kernel/addon.ts';
import { LinkMonitor } from '../../../src/kernel/netlink.ts';
import type { HostPart, HostState } from '../../../src/sources/links.ts';
import { LinkSource } from '../../../src/sources/links.ts';

export interface Told {
  readonly state: HostState;
  readonly changed: readonly HostPart[];
}

function say(told: Told): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

const [devices, receiveBuffer] = process.argv.slice(2);
const monitor = new LinkMonitor(addon, receiveBuffer === undefined ? {} : { receiveBuffer: Number(receiveBuffer) });
const source = new LinkSource({ monitor, ...(devices === undefined || devices === '' ? {} : { devices }) });
source.on('change', (state, changed) => {
  say({ state, changed: [...changed] });
});
say({ state: source.start(), changed: [] });
process.stdin.resume().on('end', () => {
  source.close();
});
