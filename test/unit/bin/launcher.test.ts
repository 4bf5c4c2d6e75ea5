// SPDX-License-Identifier: Apache-2.0
// bin/bpfsvc in a tree made for it, with programs that tell how they were called in Node's place.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SYSTEM = '/usr/bin:/bin';
let home: string;

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'bpfsvc-launcher-'));
  mkdirSync(path.join(home, 'bin'));
  cpSync('bin/bpfsvc', path.join(home, 'bin/bpfsvc'));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** A Node that answers --version, and says which of the two it is and what it was to run. */
function installNode(directory: string, version: string): void {
  mkdirSync(directory, { recursive: true });
  const script = `#!/bin/sh\n[ "$1" = --version ] && echo ${version} || { echo ${version}; printf '%s\\n' "$@"; }\n`;
  writeFileSync(path.join(directory, 'node'), script, { mode: 0o755 });
}

function installOwnNode(): void {
  installNode(path.join(home, 'node_modules/node/bin'), 'v24.1.0');
}

function installMain(name: string): void {
  mkdirSync(path.dirname(path.join(home, name)), { recursive: true });
  writeFileSync(path.join(home, name), '');
}

function launch(program = path.join(home, 'bin/bpfsvc'), search = SYSTEM, args = ['maps', 'list', 'a b']) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: '/',
    env: { PATH: search },
    encoding: 'utf8',
  });
  return { status, stdout: stdout.trim().replaceAll(home, 'HOME'), stderr: stderr.trim().replaceAll(home, 'HOME') };
}

describe('bin/bpfsvc', () => {
  it('runs what was built, on the Node beside it, with the arguments as they were', () => {
    installOwnNode();
    installMain('dist/cli/main.js');
    installMain('src/cli/main.ts');
    const options = '--disable-warning=ExperimentalWarning';
    expect(launch()).toEqual({
      status: 0,
      stdout: `v24.1.0\n${options}\nHOME/bin/../dist/cli/main.js\nmaps\nlist\na b`,
      stderr: '',
    });
  });

  it('keeps the heap of the agent small, which stays, and of no other command', () => {
    installOwnNode();
    installMain('dist/cli/main.js');
    const run = ['--log-level', 'debug', 'run', '--manifests', 'a b'];
    expect(launch(undefined, SYSTEM, run).stdout.split('\n').slice(1)).toEqual([
      '--max-semi-space-size=4',
      '--heap-growing-percent=50',
      '--disable-warning=ExperimentalWarning',
      'HOME/bin/../dist/cli/main.js',
      ...run,
    ]);
    expect(launch(undefined, SYSTEM, ['services', 'default/run']).stdout).not.toContain('semi-space');
  });

  it('runs the source where nothing was built', () => {
    installOwnNode();
    installMain('src/cli/main.ts');
    expect(launch().stdout).toContain('HOME/bin/../src/cli/main.ts\nmaps\nlist');
  });

  it('finds its home through a chain of links', () => {
    installOwnNode();
    installMain('dist/cli/main.js');
    symlinkSync('bin/bpfsvc', path.join(home, 'first'));
    symlinkSync('first', path.join(home, 'second'));
    expect(launch(path.join(home, 'second')).stdout).toContain('HOME/bin/../dist/cli/main.js');
  });

  it('finds its home when it was found on PATH', () => {
    installOwnNode();
    installMain('dist/cli/main.js');
    expect(launch('bpfsvc', `${path.join(home, 'bin')}:${SYSTEM}`).stdout).toContain('HOME/bin/../dist/cli/main.js');
  });

  it('takes the Node on PATH where there is none beside it', () => {
    installNode(path.join(home, 'elsewhere'), 'v26.10.0');
    installMain('dist/cli/main.js');
    expect(launch(undefined, `${path.join(home, 'elsewhere')}:${SYSTEM}`).stdout).toMatch(/^v26\.10\.0\n/);
  });

  it.each(['v18.20.4', 'v9.11.2', 'nonsense'])(
    'refuses a Node on PATH that says %s, and names the remedy',
    (version) => {
      installNode(path.join(home, 'elsewhere'), version);
      installMain('dist/cli/main.js');
      const { status, stdout, stderr } = launch(undefined, `${path.join(home, 'elsewhere')}:${SYSTEM}`);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toBe(
        `bpfsvc: needs Node 24 or newer, found ${version} on PATH: run make deps in HOME, or install Node 24`,
      );
    },
  );

  it('says so where there is no Node at all', () => {
    installMain('dist/cli/main.js');
    const bin = path.join(home, 'tools');
    mkdirSync(bin);
    expect(launch(undefined, bin).stderr).toMatch(/needs Node 24 or newer, found none on PATH/);
  });
});
