// SPDX-License-Identifier: Apache-2.0
// What `make demo` and `make test` say on a machine that lacks something: one line, with the remedy.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-preflight-'));
// mkdtemp's are for the owner alone, and the script runs as another.
chmodSync(directory, 0o755);
const withCgroup = file('mounts', 'proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n');
const withoutCgroup = file('mounts-v1', 'proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n');
/** A path of it. */
function file(name: string, text: string): string {
  const where = path.join(directory, name);
  writeFileSync(where, text);
  return where;
}

/** A search path on which these commands do something else. */
function commands(scripts: Record<string, string>): string {
  const bin = mkdtempSync(path.join(directory, 'bin-'));
  chmodSync(bin, 0o755);
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `${bin}:/usr/bin:/bin`;
}

afterAll(() => {
  rmSync(directory, { recursive: true });
});

interface Machine {
  mounts?: string;
  status?: string;
  uidMap?: string;
  path?: string;
}

// The script on standard input: another user need not be able to read the checkout.
function preflight({ mounts = withCgroup, status: rights, uidMap, path: search = '/usr/bin:/bin' }: Machine) {
  const { status, stderr } = spawnSync('/bin/sh', ['-s', 'demo'], {
    cwd: '/',
    input: readFileSync('tools/preflight.sh'),
    env: { PATH: search, BPFSVC_MOUNTS: mounts, BPFSVC_STATUS: rights, BPFSVC_UID_MAP: uidMap },
    encoding: 'utf8',
    ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
  });
  return { status, lines: stderr.trimEnd().split('\n') };
}

describe('preflight.sh', () => {
  it('sends who is not root to sudo', () => {
    const { status, lines } = preflight({ mounts: withCgroup });
    expect(lines).toEqual([expect.stringMatching(/^demo: needs root .*run sudo make demo$/)]);
    expect(status).toBe(1);
  });

  it('tells how to mount cgroup v2 where only v1 is', () => {
    const { status, lines } = preflight({ mounts: withoutCgroup });
    expect(lines).toEqual([expect.stringMatching(/^demo: no cgroup v2 mounted: .*mount -t cgroup2 /)]);
    expect(status).toBe(1);
  });

  it('names the system where it is not Linux', () => {
    const { status, lines } = preflight({ path: commands({ uname: 'echo Darwin' }) });
    expect(lines).toEqual([expect.stringMatching(/^demo: needs Linux, this is Darwin/)]);
    expect(status).toBe(1);
  });
});

describe('preflight.sh of a root', () => {
  const search = commands({ id: 'echo 0', unshare: '' });
  const capable = file('capable', 'CapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n');
  const whole = file('whole', '         0          0 4294967295\n');

  it('is silent where nothing is missing', () => {
    expect(preflight({ path: search, status: capable, uidMap: whole })).toEqual({ status: 0, lines: [''] });
  });

  it('is content with CAP_BPF and CAP_NET_ADMIN', () => {
    const status = file('two', 'CapEff:\t0000008000001000\n');
    expect(preflight({ path: search, status, uidMap: whole })).toEqual({ status: 0, lines: [''] });
  });

  it.each([
    ['CAP_BPF', '0000000000001000'],
    ['CAP_NET_ADMIN', '0000008000000000'],
  ])('tells how to start a container that has no %s', (name, capabilities) => {
    const { status, lines } = preflight({
      path: search,
      status: file(name, `CapEff:\t${capabilities}\n`),
      uidMap: whole,
    });
    expect(lines).toEqual([expect.stringMatching(/^demo: may not load BPF .* start it with --privileged$/)]);
    expect(status).toBe(1);
  });

  it('sends the root of a user namespace out of it', () => {
    const uidMap = file('part', '         0     100000      65536\n');
    const { status, lines } = preflight({ path: search, status: capable, uidMap });
    expect(lines).toEqual([expect.stringMatching(/^demo: may not load BPF .* root of a user namespace: start it in/)]);
    expect(status).toBe(1);
  });
});
