// SPDX-License-Identifier: Apache-2.0
// A machine that has not the memory for the maps that it is told to make. Only on one that is small, such as a VM of the
// matrix made for this: elsewhere such maps would take everybody's memory.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBpffs } from '../../src/kernel/pins.ts';
import { waitFor, within } from '../support/wait.ts';

const BPFSVC = path.resolve(import.meta.dirname, '../../bin/bpfsvc');
const SMALL = 1 << 30;
/** What a row of flows4 takes at least, its key and value alone. */
const ROW = 80;

let directory: string;
let bpffs: string;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-memory-'));
  bpffs = path.join(directory, 'bpf');
  mkdirSync(path.join(directory, 'manifests'));
  ensureBpffs(bpffs);
});

afterAll(async () => {
  await execa('umount', [bpffs]);
  rmSync(directory, { recursive: true });
});

/** The agent in a namespace of its own, told how many flows it shall be able to keep. */
function agent(flows: number) {
  const config = path.join(directory, 'config.yaml');
  writeFileSync(
    config,
    `{ apiVersion: bpfsvc.io/v1alpha1, kind: BpfsvcConfiguration, flows: { entries: ${String(flows)} } }`,
  );
  const args = ['run', '--manifests', path.join(directory, 'manifests'), '--node-name', 'node', '--config', config];
  return execa('unshare', ['--net', 'setpriv', '--pdeathsig', 'KILL', BPFSVC, ...args, '--bpffs', bpffs], {
    reject: false,
    all: true,
  });
}

const pinned = (): string[] =>
  readdirSync(bpffs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.debug'))
    .map(({ name }) => name);

/** Of the whole kernel. */
async function maps(): Promise<number> {
  const { stdout } = await execa('bpftool', ['-j', 'map', 'show']);
  return stdout === '' ? 0 : (JSON.parse(stdout) as unknown[]).length;
}

describe.skipIf(totalmem() > SMALL)('a machine of little memory', () => {
  // More than the machine has is refused at a look; what might have been free is tried for.
  test.each([
    ['more than there is', 1.5],
    ['more than is free', 0.8],
  ])('refuses %s, naming map, size and remedy, and keeps nothing', async (_, share) => {
    const before = await maps();
    const flows = Math.floor((totalmem() * share) / ROW);
    const { exitCode, signal, stderr } = await agent(flows);
    expect({ exitCode, signal, stderr }).toEqual({
      exitCode: 1,
      signal: undefined,
      stderr: expect.stringMatching(
        new RegExp(
          `^bpfsvc: cannot create map flows[46] of ${String(flows)} rows of \\d+ bytes, more than \\d+ MiB; ` +
            'give this machine.* more memory, or keep fewer flows: flows.entries in the file that --config names$',
        ),
      ) as string,
    });
    expect(pinned()).toEqual([]);
    // The kernel lets go of a map some time after its last descriptor.
    await waitFor('the maps to be gone', async () => (await maps()) === before);
  });

  test('starts with fewer', async () => {
    const running = agent(4096);
    let said = '';
    const ready = Promise.withResolvers<undefined>();
    running.all.on('data', (text: Buffer) => {
      said += text.toString();
      if (said.includes('"ready"')) ready.resolve(undefined);
    });
    await within(
      'the agent to be ready',
      Promise.race([ready.promise, running.then(({ all }) => Promise.reject(new Error(all)))]),
    );
    expect(pinned()).toContain('flows4');
    running.kill('SIGTERM');
    await running;
    await execa(BPFSVC, ['cleanup', '--bpffs', bpffs]);
    expect(existsSync(path.join(bpffs, 'bpfsvc'))).toBe(false);
  });
});
