// SPDX-License-Identifier: Apache-2.0
// What `make demo` and `make test` say on a machine that lacks something: one line, with the remedy.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-preflight-'));
// mkdtemp's are for the owner alone, and the script runs as another.
chmodSync(directory, 0o755);
const withCgroup = path.join(directory, 'mounts');
const withoutCgroup = path.join(directory, 'mounts-v1');
writeFileSync(withCgroup, 'proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n');
writeFileSync(withoutCgroup, 'proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n');
afterAll(() => {
  rmSync(directory, { recursive: true });
});

interface Machine {
  mounts?: string;
  btf?: string;
  path?: string;
}

// The script on standard input: another user need not be able to read the checkout.
function preflight({ mounts = withCgroup, btf = withCgroup, path: search = '/usr/bin:/bin' }: Machine) {
  const { status, stderr } = spawnSync('/bin/sh', ['-s', 'demo'], {
    cwd: '/',
    input: readFileSync('tools/preflight.sh'),
    env: { PATH: search, BPFSVC_MOUNTS: mounts, BPFSVC_BTF: btf },
    encoding: 'utf8',
    ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
  });
  return { status, lines: stderr.trimEnd().split('\n') };
}

describe('preflight.sh', () => {
  it('sends who is not root to sudo', () => {
    const { status, lines } = preflight({ mounts: '/proc/self/mounts', btf: '/proc/version' });
    expect(lines).toEqual([expect.stringMatching(/^demo: needs root .*run sudo make demo$/)]);
    expect(status).toBe(1);
  });

  it('tells how to mount cgroup v2 where only v1 is', () => {
    const { status, lines } = preflight({ mounts: withoutCgroup });
    expect(lines).toEqual([expect.stringMatching(/^demo: no cgroup v2 mounted: .*mount -t cgroup2 /)]);
    expect(status).toBe(1);
  });

  it('names the kernel option where BTF is missing', () => {
    const { status, lines } = preflight({ mounts: '/proc/self/mounts', btf: path.join(directory, 'none') });
    expect(lines).toEqual([expect.stringMatching(/^demo: the kernel has no BTF .*CONFIG_DEBUG_INFO_BTF=y/)]);
    expect(status).toBe(1);
  });

  it('names the system where it is not Linux', () => {
    const bin = path.join(directory, 'bin');
    mkdirSync(bin, { mode: 0o755 });
    writeFileSync(path.join(bin, 'uname'), '#!/bin/sh\necho Darwin\n', { mode: 0o755 });
    const { status, lines } = preflight({ path: `${bin}:/usr/bin:/bin` });
    expect(lines).toEqual([expect.stringMatching(/^demo: needs Linux, this is Darwin/)]);
    expect(status).toBe(1);
  });
});
