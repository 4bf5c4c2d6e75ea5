// SPDX-License-Identifier: Apache-2.0
// `bpfsvc completion SHELL`: prints the script for the shell to load.

import type { Command } from 'commander';
import { bashScript } from '../completion/bash.ts';
import { fishScript } from '../completion/fish.ts';
import { completionModel } from '../completion/model.ts';
import { zshScript } from '../completion/zsh.ts';
import { stdout } from '../stdout.ts';

export const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function completion(shell: keyof typeof SCRIPTS, program: Command): void {
  stdout(SCRIPTS[shell](completionModel(program)));
}
