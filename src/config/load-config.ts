// SPDX-License-Identifier: Apache-2.0
// Reads the file that `bpfsvc run --config` names.

import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ConfigurationError } from './configuration-error.ts';
import { parseConfiguration } from './parse-config.ts';
import type { Settings } from './settings.ts';
import { toSettings } from './settings.ts';

export const NO_SETTINGS: Settings = toSettings(
  { kubeProxy: undefined, bpfsvc: undefined, warnings: [] },
  { directory: '/', cpus: 1 },
);

export function loadSettings(file: string): Settings {
  return toSettings(parseConfiguration(readText(file), file), {
    directory: path.dirname(path.resolve(file)),
    cpus: os.availableParallelism(),
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError(`cannot read the configuration ${file}: ${reason}; correct --config`, { cause });
  }
}
