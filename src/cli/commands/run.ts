// SPDX-License-Identifier: Apache-2.0
// `bpfsvc run`: the agent from start to signal. The datapath stays on when the agent ends.

import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { runAgent } from '../../agent/agent.ts';
import { loadSettings, NO_SETTINGS } from '../../config/load-config.ts';
import { createLogger } from '../../log.ts';
import type { Logger } from '../../log.ts';
import type { LogLevel } from '../../log-levels.ts';
import { agentOptions } from '../agent-options.ts';
import type { RunFlags } from '../agent-options.ts';

export async function run(flags: RunFlags & { readonly config?: string; readonly logLevel?: LogLevel }): Promise<void> {
  const settings = flags.config === undefined ? NO_SETTINGS : loadSettings(flags.config);
  const options = agentOptions(flags, settings, os.hostname());
  const log = createLogger({ level: flags.logLevel ?? settings.logLevel ?? 'info', json: settings.logJson });
  for (const warning of settings.warnings) log.warn({ warning }, 'configuration');
  if (settings.oomScoreAdj !== undefined) setOomScore(settings.oomScoreAdj, log);
  const signalled = firstSignal();
  const agent = await runAgent(options, log);
  // A signal may come before the agent is ready; an agent that cannot get ready ends the process by its error.
  try {
    const signal = await Promise.race([signalled, agent.ready.then(() => signalled)]);
    log.info({ signal }, 'stopping; the datapath stays on');
  } finally {
    await agent.stop();
  }
}

// --- internal ---

/** How soon the kernel ends this process when memory runs out. */
function setOomScore(score: number, log: Logger): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', String(score));
  } catch (error) {
    log.warn({ score, err: error }, 'cannot set the OOM score; run as root');
  }
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
