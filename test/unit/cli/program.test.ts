// SPDX-License-Identifier: Apache-2.0
// The command line as a user meets it, without a kernel: each test starts the program.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function bpfsvc(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const program = [path.join(ROOT, 'src/cli/main.ts'), ...args];
    execFile(process.execPath, program, { env: { ...process.env, NO_COLOR: '1' } }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-cli-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe('bpfsvc', () => {
  it('tells the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await bpfsvc('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('tells each command in its help, and exits with 2 when none is given', async () => {
    const { status, stdout } = await bpfsvc('--help');
    expect(status).toBe(0);
    for (const name of ['run', 'services', 'status', 'maps', 'check', 'compile', 'cleanup', 'completion']) {
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    expect((await bpfsvc()).status).toBe(2);
  });

  it.each([
    [['frob'], "unknown command 'frob'"],
    [['run', '--frob'], "unknown option '--frob'"],
    [['run', 'x'], "too many arguments for 'run'"],
    [['services', '-o', 'xml'], "option '-o, --output <format>' argument 'xml' is invalid"],
    [['run', '--log-level', 'loud'], "option '--log-level <level>' argument 'loud' is invalid"],
    [['services', 'web'], '"web" does not name a Service; write NAMESPACE/NAME'],
    [['maps', 'dump', 'frobs'], 'there is no map frobs; the maps are affinity, backends,'],
    [['run'], 'nothing to follow; name a file or directory with --manifests'],
    [['run', '--config', '/nowhere/c.yaml'], 'cannot read the configuration /nowhere/c.yaml'],
  ])('refuses %j with status 2 and one line', async (args, message) => {
    const { status, stdout, stderr } = await bpfsvc(...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.split('\n')[0]).toContain(`bpfsvc: ${message}`);
  });

  it.each([['status'], ['services'], ['maps', 'list'], ['maps', 'dump'], ['maps', 'dump', '--raw']])(
    'says where there is no datapath to read, and the remedy: %s %s %s',
    async (...args) => {
      const { status, stderr } = await bpfsvc(...args.filter((arg) => arg !== ''), '--bpffs', directory);
      expect(status).toBe(1);
      expect(stderr).toBe(
        `bpfsvc: no bpfsvc datapath under ${directory}; is \`bpfsvc run\` started with this --bpffs?\n`,
      );
    },
  );

  it('has nothing to clean up where there is no datapath', async () => {
    const { status, stdout } = await bpfsvc('cleanup', '--bpffs', directory);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: `nothing to remove: no bpfsvc datapath under ${directory}\n`,
    });
  });

  it('tells all mistakes of a configuration, and where they come from only when debugging', async () => {
    const file = path.join(directory, 'c.yaml');
    writeFileSync(file, 'apiVersion: bpfsvc.io/v1alpha1\nkind: BpfsvcConfiguration\ndevice: x\nlogLevel: y\n');
    const plain = await bpfsvc('run', '--config', file);
    expect(plain.status).toBe(2);
    expect(plain.stderr).toMatch(
      /^bpfsvc: .*:3: device: is not a field of this kind\n.*:4: logLevel: "y" is not known.*\n$/,
    );
    const debugged = await bpfsvc('run', '--config', file, '--log-level', 'debug');
    expect(debugged.stderr).toMatch(/\n {4}at /);
  });
});
