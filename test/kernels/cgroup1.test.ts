// SPDX-License-Identifier: Apache-2.0
// A machine on which cgroup v1 alone is mounted, as old distributions have it. In the matrix one boot is such a machine;
// anywhere else it is a mount namespace in which cgroup v2 has been unmounted.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endpointSlice, service } from '../support/objects.ts';
import { within } from '../support/wait.ts';

const BPFSVC = path.resolve(import.meta.dirname, '../../bin/bpfsvc');
const REMEDY = 'mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2';
const BACKEND = '192.0.2.10';

/** Ends with its input. /run is covered, so that what the remedy makes there goes with the namespace. */
const MACHINE = `
set -e
mount --make-rprivate /
awk '$3 == "cgroup2" { print $2 }' /proc/self/mounts | xargs --no-run-if-empty umount --lazy
mount -t tmpfs tmpfs /run
ip link set lo up
ip addr add ${BACKEND}/32 dev lo
echo ready
exec cat`;

let machine: ChildProcess;
let directory: string;
let manifests: string;
let bpffs: string;

beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-cgroup1-'));
  manifests = path.join(directory, 'manifests');
  bpffs = path.join(directory, 'bpf');
  mkdirSync(manifests);
  const child = spawn('unshare', ['--mount', '--net', 'sh', '-c', MACHINE], { stdio: ['pipe', 'pipe', 'inherit'] });
  machine = child;
  await within('the machine to be set up', once(child.stdout, 'data'));
});

afterEach(async () => {
  machine.stdin?.end();
  await once(machine, 'exit');
  rmSync(directory, { recursive: true });
});

/** With the machine's root and directory: entering a mount namespace alone leads out of a chroot. */
function inside(command: string, ...args: string[]): string[] {
  const namespaces = ['--mount', '--root', '--wd', '--net'];
  return ['--target', String(machine.pid), ...namespaces, 'setpriv', '--pdeathsig', 'KILL', command, ...args];
}

const run = (command: string, ...args: string[]) => execa('nsenter', inside(command, ...args), { reject: false });
const agent = (): string[] => ['run', '--manifests', manifests, '--node-name', 'node', '--bpffs', bpffs];

test('bpfsvc run refuses with the remedy, and has done nothing', async () => {
  const { exitCode, stderr } = await run(BPFSVC, ...agent());
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: `bpfsvc: no cgroup v2 hierarchy is mounted; mount one, beside cgroup v1 too: ${REMEDY}`,
  });
  expect(existsSync(bpffs)).toBe(false);
});

test('bpfsvc check names what lacks, with the same remedy', async () => {
  const { exitCode, stdout } = await run(BPFSVC, 'check', '-o', 'json');
  const { features } = JSON.parse(stdout) as { features: { id: string; state: string; detail: string }[] };
  expect(exitCode).toBe(1);
  expect(features.filter(({ state }) => state === 'refused')).toMatchObject([{ id: 'cgroup2' }]);
  expect(features.find(({ id }) => id === 'cgroup2')?.detail).toContain(REMEDY);
});

test('what the remedy says is enough: connections of processes are translated', async () => {
  const ports = [{ port: 80, targetPort: 8080 }];
  const items = [
    service('web', { clusterIPs: ['198.19.0.1'], ports }),
    endpointSlice('web', 4, ports, [{ address: BACKEND, nodeName: 'node' }]),
  ];
  writeFileSync(path.join(manifests, 'web.yaml'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  expect(await run('sh', '-c', REMEDY)).toMatchObject({ exitCode: 0 });

  const server = `require('net').createServer((s) => s.end('hello')).listen(8080, '${BACKEND}', () => console.log('up'))`;
  const client = `require('net').connect(80, '198.19.0.1').on('error', (e) => console.log(e.code)).pipe(process.stdout)`;
  await using running = new AsyncDisposableStack();
  running.use(await started('up', process.execPath, '-e', server));
  running.use(await started('"ready"', BPFSVC, ...agent()));
  expect((await run(process.execPath, '-e', client)).stdout).toBe('hello');
  expect((await run(BPFSVC, 'status', '--bpffs', bpffs)).stdout).toContain('cgroup /run/cgroup2: sock_connect4');
});

/** Resolves when a line of its output holds the word. */
async function started(word: string, command: string, ...args: string[]): Promise<AsyncDisposable> {
  const child = spawn('nsenter', inside(command, ...args), { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  const up = Promise.withResolvers<undefined>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      said.push(line);
      if (line.includes(word)) up.resolve(undefined);
    });
  }
  const ended = once(child, 'close').then(() => {
    up.reject(new Error(`${command} ended: ${said.join('\n')}`));
  });
  await within(`${word} of ${command}`, up.promise);
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
