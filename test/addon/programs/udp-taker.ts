// SPDX-License-Identifier: Apache-2.0
// Runs with fewer rights for udp-sockets.test.ts: takes the one socket that its argument says, and tells what came of it.

import { addon } from '../../../src/kernel/addon.ts';
import type { Reconnection } from '../../../src/kernel/udp-sockets.ts';

const [argument = ''] = process.argv.slice(2);
const wanted = JSON.parse(argument, (key, value: unknown) =>
  key === 'cookie' ? BigInt(String(value)) : value,
) as Reconnection;
process.stdout.write(`${JSON.stringify(await addon.reconnectUdpSockets([wanted]))}\n`);
