// SPDX-License-Identifier: Apache-2.0
// Completion scripts. bash runs its own; zsh and fish only where they are installed.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bashScript } from '../../../src/cli/completion/bash.ts';
import { fishScript } from '../../../src/cli/completion/fish.ts';
import { completionModel } from '../../../src/cli/completion/model.ts';
import { zshScript } from '../../../src/cli/completion/zsh.ts';
import { buildProgram } from '../../../src/cli/program.ts';

const MODEL = completionModel(buildProgram());

const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-completion-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** What bash offers after these words. */
function offered(...words: readonly string[]): string[] {
  // compopt works inside a real completion alone.
  const script = `${bashScript(MODEL)}
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bpfsvc; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' });
  return output.split('\n').filter((line) => line !== '');
}

describe('completionModel', () => {
  it('knows every command by its path', () => {
    expect(MODEL.map(({ path }) => path)).toEqual([
      'bpfsvc',
      'bpfsvc run',
      'bpfsvc services',
      'bpfsvc status',
      'bpfsvc maps',
      'bpfsvc maps list',
      'bpfsvc maps dump',
      'bpfsvc check',
      'bpfsvc compile',
      'bpfsvc cleanup',
      'bpfsvc completion',
    ]);
  });

  it('knows what may follow an option', () => {
    const run = MODEL.find(({ path }) => path === 'bpfsvc run');
    const value = (name: string): unknown => run?.options.find(({ names }) => names.includes(name))?.value;
    expect(value('--bpffs')).toEqual({ kind: 'directory' });
    expect(value('--config')).toEqual({ kind: 'file' });
    expect(value('--node-name')).toEqual({ kind: 'any' });
    expect(value('--help')).toEqual({ kind: 'none' });
    expect(value('--log-level')).toMatchObject({ kind: 'words' });
  });
});

describe('the bash script', () => {
  it('offers commands, subcommands, maps and shells', () => {
    expect(offered('bpfsvc', 's')).toEqual(['services', 'status']);
    expect(offered('bpfsvc', 'maps', '')).toEqual(['list', 'dump']);
    expect(offered('bpfsvc', 'maps', 'dump', 'flows')).toEqual(['flows4', 'flows6']);
    expect(offered('bpfsvc', 'completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  it('offers the options of the command and those of the program', () => {
    expect(offered('bpfsvc', 'maps', 'dump', '--')).toEqual(['--bpffs', '--output', '--raw', '--help', '--log-level']);
  });

  it('offers the values of an option', () => {
    expect(offered('bpfsvc', 'maps', 'dump', 'flows4', '-o', '')).toEqual(['table', 'json', 'yaml']);
    expect(offered('bpfsvc', 'run', '--log-level', 'd')).toEqual(['debug']);
    expect(offered('bpfsvc', 'run', '--nod')).toEqual(['--node-name']);
    expect(offered('bpfsvc', 'compile', '--out', '/us')).toEqual(['/usr']);
  });
});

describe.each([
  ['zsh', zshScript],
  ['fish', fishScript],
] as const)('the %s script', (shell, script) => {
  it('names every command and every map', () => {
    const text = script(MODEL);
    for (const { commands, argument } of MODEL) {
      for (const { name } of commands) expect(text).toContain(name);
      if (argument.kind === 'words') expect(text).toContain(argument.words.join(' '));
    }
  });

  it.skipIf(!isInstalled(shell))('is taken by the shell', () => {
    // From a file: fish -n takes no other.
    const file = path.join(directory, shell);
    writeFileSync(file, script(MODEL));
    execFileSync(shell, ['-n', file]);
  });
});

function isInstalled(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
