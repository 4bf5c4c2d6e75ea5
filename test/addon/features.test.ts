// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Feature, FeatureReport } from '../../src/kernel/features.ts';
import {
  FEATURES,
  probeDatapathFeatures,
  probeFeatures,
  requireFeatures,
  requireFor,
} from '../../src/kernel/features.ts';
import { run } from '../support/command.ts';
import { atLeast } from '../support/kernel-version.ts';

/** What a machine's set-up decides, whatever its kernel. */
const SETTINGS = new Set(['bpf', 'cgroup2', 'bpffs', 'btf', 'jit', 'unprivileged-bpf', 'lockdown', 'sock-destroy']);
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

const WITHOUT_SYS_RESOURCE = ['setpriv', '--bounding-set=-sys_resource', '--inh-caps=-sys_resource'];

/** `bpfsvc check` in a process that has lost what the command in front takes away. */
async function checkUnder(...before: string[]): Promise<Map<string, FeatureReport>> {
  const check = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, 'check', '-o', 'json'];
  // Where something is refused the status is 1, and the table is told all the same.
  const child = [...before, 'sh', '-c', '"$@" || true', 'sh', ...check];
  const { features } = JSON.parse(await run('env', child)) as { features: FeatureReport[] };
  return new Map(features.map((feature) => [feature.id, feature]));
}

describe('FEATURES', () => {
  it('has every feature that came with this kernel or an older one', async () => {
    const reports = await probeFeatures(FEATURES.filter(({ id, since }) => !SETTINGS.has(id) && atLeast(since)));
    expect(reports.filter(({ probed }) => probed !== 'yes')).toEqual([]);
    expect(reports.length).toBeGreaterThan(5);
  });

  it('has none that is newer', async () => {
    const reports = await probeFeatures(FEATURES.filter(({ since }) => !atLeast(since)));
    expect(reports.filter(({ probed }) => probed !== 'no')).toEqual([]);
  });

  it('finds cgroup v2 where tests have it', async () => {
    const [report] = await probeFeatures(FEATURES.filter(({ id }) => id === 'cgroup2'));
    expect(report).toMatchObject({ state: 'native', detail: expect.stringMatching(/^\//) as string });
  });

  it('has one row for each id', () => {
    const ids = FEATURES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('refuses without rights, says which lack, and takes no other answer for one', async () => {
    const features = await checkUnder('setpriv', '--bounding-set=-all', '--inh-caps=-all');
    expect(features.get('bpf')).toMatchObject({
      state: 'refused',
      detail: expect.stringMatching(/no CAP_BPF .* and no CAP_NET_ADMIN; run bpfsvc as root/) as string,
    });
    expect(features.get('tcx')).toMatchObject({ probed: 'unknown', state: 'refused' });
  });

  it('says what keeps it from the sockets of other processes', async () => {
    const features = await checkUnder('setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace');
    expect(features.get('take-sockets')).toMatchObject({
      probed: 'no',
      state: 'fallback',
      detail: 'no CAP_SYS_PTRACE',
    });
  });

  // user_namespaces(7): whoever lives in a chroot may not make one.
  const mayUnshare = spawnSync('unshare', ['--user', '--map-root-user', 'true']).status === 0;

  it.runIf(mayUnshare)('refuses in a user namespace, whose root is none to BPF', async () => {
    const features = await checkUnder('unshare', '--user', '--map-root-user');
    expect(features.get('bpf')).toMatchObject({
      state: 'refused',
      detail: expect.stringContaining('root only of its own user namespace') as string,
    });
  });

  it('refuses where locked memory is limited and counts, and says how to lift the limit', async () => {
    const features = await checkUnder('prlimit', '--memlock=1048576:1048576', '--', ...WITHOUT_SYS_RESOURCE);
    expect(features.get('memcg')).toMatchObject(
      atLeast('5.11')
        ? { probed: 'yes', state: 'native' }
        : { state: 'refused', detail: expect.stringMatching(/may not be raised; .*LimitMEMLOCK=infinity/) as string },
    );
  });

  it('refuses where cgroup v2 is not mounted, and tells how to mount it', async () => {
    const unmounted = 'grep " cgroup2 " /proc/self/mounts | cut -d" " -f2 | xargs -n1 umount -l && exec "$@"';
    const features = await checkUnder('unshare', '--mount', 'sh', '-c', unmounted, 'sh');
    expect(features.get('cgroup2')).toMatchObject({
      state: 'refused',
      detail: expect.stringMatching(/^not mounted; mount it.*mount -t cgroup2 none/) as string,
    });
  });

  it('does without the BTF of the kernel', async () => {
    const features = await checkUnder(
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs n /sys/kernel && exec "$@"',
      'sh',
    );
    expect(features.get('btf')).toMatchObject({ probed: 'no', state: 'unused' });
    expect(features.get('sock-destroy')).toMatchObject({ probed: 'no', state: 'unused' });
    expect([...features.values()].filter(({ state }) => state === 'refused')).toEqual([]);
  });
});

describe('requireFeatures', () => {
  const lacking = (id: string): Feature => ({
    id,
    what: `a thing called ${id}`,
    needed: 'required',
    since: 'Linux 9.9',
    remedy: 'wait for it',
    probe: () => ({ ok: false, detail: '' }),
  });

  it('lets this kernel pass', async () => {
    await requireFeatures();
  });

  it('names the kernel, each feature that lacks, and the remedy', async () => {
    const lines = ['one', 'two'].map((id) => `a thing called ${id} (${id}): came with Linux 9.9; wait for it`);
    await expect(requireFeatures([lacking('one'), lacking('two')])).rejects.toThrow(
      `Linux ${release()} will not do for bpfsvc, it lacks ${lines.join('; and ')}; \`bpfsvc check\` shows everything`,
    );
  });

  it('names the want of rights alone where there is one', async () => {
    const refused = requireFeatures([lacking('bpf'), lacking('one')]);
    await expect(refused).rejects.toThrow('a thing called bpf');
    await expect(refused).rejects.not.toThrow('a thing called one');
  });

  it('minds what takes the place of a feature, and not what may lack', async () => {
    const preferred = { ...lacking('x'), needed: 'preferred', fallback: 'another' } as const;
    await requireFeatures([preferred]);
    const substitute = { remedy: 'load it', probe: () => ({ ok: false, detail: 'no module' }) };
    await expect(requireFeatures([{ ...preferred, substitute }])).rejects.toThrow(
      'came with Linux 9.9; no module; load it',
    );
  });
});

describe('bpfsvc check', () => {
  const check = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, 'check'];

  it('shows each feature on a line: probed, its state, what is used', async () => {
    const [header, ...lines] = (await run('env', ['NO_COLOR=1', ...check])).split('\n');
    expect(header).toMatch(/^FEATURE +PROBED +STATE +USES +DETAIL$/);
    expect(lines).toHaveLength(FEATURES.length);
    for (const line of lines)
      expect(line).toMatch(/^[a-z0-9-]+ +(yes|no|unknown) +(native|fallback|refused|unused) +\S/);
  });

  it('fails where bpfsvc cannot run, names the kernel and what lacks, and shows the table all the same', async () => {
    const refused = run('setpriv', ['--bounding-set=-all', '--inh-caps=-all', ...check]);
    await expect(refused).rejects.toThrow(
      /bpfsvc does not run on this Linux \S+ for want of bpf, .*tcx.*; see DETAIL above/,
    );
    await expect(refused).rejects.toMatchObject({
      cause: {
        exitCode: 1,
        stdout: expect.stringMatching(/bpf +no +refused +- +this process has no CAP_BPF/) as string,
      },
    });
  });
});

describe('requireFor', () => {
  const feature = (ok: boolean): Feature => ({
    id: 'x',
    what: 'a thing',
    needed: 'preferred',
    since: 'Linux 9.9',
    fallback: 'nothing',
    probe: () => ({ ok, detail: '' }),
  });

  it('names the option, the kernel, the feature and the remedy where the kernel lacks it', async () => {
    await expect(requireFor('--thing', 'x', [feature(false)])).rejects.toThrow(
      `--thing cannot be followed on Linux ${release()}, it lacks a thing (x): came with Linux 9.9; leave it out`,
    );
  });

  it('lets pass what the kernel has', async () => {
    await requireFor('--thing', 'x', [feature(true)]);
  });
});

describe('bpfsvc run', () => {
  it('refuses to opt namespaces out on a kernel that does not tell them apart, and on no other', async () => {
    const agent = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, 'run', '--manifests', '/none'];
    const refused = run('env', [...agent, '--opt-out-netns', '/none/*', '--cgroup', '/none']);
    // The cgroup is what a newer kernel stumbles over next.
    const words = atLeast('5.14')
      ? /\/none is not a cgroup v2 directory/
      : /--opt-out-netns cannot be followed on Linux 5\.1/;
    await expect(refused).rejects.toThrow(words);
  });

  it('refuses in one line, before it touches anything', async () => {
    const agent = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, 'run', '--manifests', '/none'];
    const refused = run('setpriv', ['--bounding-set=-all', '--inh-caps=-all', ...agent, '--bpffs', '/none']);
    await expect(refused).rejects.toThrow(
      /bpfsvc: Linux \S+ will not do for bpfsvc, it lacks the right to load BPF programs \(bpf\): .*; run bpfsvc as root/,
    );
  });
});

describe('probeDatapathFeatures', () => {
  it('agrees with the table', async () => {
    const has = new Map((await probeFeatures()).map(({ id, probed }) => [id, probed === 'yes']));
    expect(probeDatapathFeatures()).toEqual({
      tcx: has.get('tcx'),
      setRetval: has.get('set-retval'),
      coarseClock: has.get('coarse-clock'),
      netnsCookie: has.get('netns-cookie-helper'),
    });
  });
});
