// SPDX-License-Identifier: Apache-2.0
// `bpfsvc run`: the agent from start to signal. The datapath stays on when the agent ends.

import os from 'node:os';
import { runAgent } from '../../agent/agent.ts';
import { createLogger } from '../../log.ts';
import type { LogLevel } from '../../log-levels.ts';
import { agentOptions } from '../agent-options.ts';
import type { RunFlags } from '../agent-options.ts';

export async function run(flags: RunFlags & { readonly logLevel?: LogLevel }): Promise<void> {
  const options = agentOptions(flags, os.hostname());
  const log = createLogger({ level: flags.logLevel ?? 'info' });
  const signalled = firstSignal();
  const agent = await runAgent(options, log);
  // A signal may come before the agent is ready; an agent that cannot get ready ends the process by its error.
  const signal = await Promise.race([signalled, agent.ready.then(() => signalled)]);
  log.info({ signal }, 'stopping; the datapath stays on');
  await agent.stop();
}

/** Resolves with which of the two came. A second one ends the process the kernel's way. */
function firstSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const names = ['SIGTERM', 'SIGINT'] as const;
  const receive = (signal: NodeJS.Signals): void => {
    for (const name of names) process.off(name, receive);
    resolve(signal);
  };
  for (const name of names) process.on(name, receive);
  return promise;
}
