// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { ATTACH_TYPE, MAP_TYPE, PROGRAM_TYPE } from '../../src/kernel/constants.ts';
import { HELPER, sockDiagDestroyError } from '../../src/kernel/probes.ts';
import { run } from '../support/command.ts';
import { atLeast } from '../support/kernel-version.ts';

const ADDON = new URL('../../src/kernel/addon.ts', import.meta.url).href;

/** `r0 = 1; exit` */
const INSTRUCTIONS = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
const TC = { type: PROGRAM_TYPE.SCHED_CLS, instructions: INSTRUCTIONS };

describe('probeHelper', () => {
  it('knows a helper by the verifier looking at its arguments', () => {
    expect(addon.probeHelper(PROGRAM_TYPE.SCHED_CLS, HELPER.redirectNeigh)).toBe(true);
    const connect = ATTACH_TYPE.CGROUP_INET4_CONNECT;
    expect(addon.probeHelper(PROGRAM_TYPE.CGROUP_SOCK_ADDR, HELPER.skStorageGet, connect)).toBe(true);
  });

  it('does not know one that no kernel has, nor one of another program type', () => {
    expect(addon.probeHelper(PROGRAM_TYPE.SCHED_CLS, 99_999)).toBe(false);
    const connect = ATTACH_TYPE.CGROUP_INET4_CONNECT;
    expect(addon.probeHelper(PROGRAM_TYPE.CGROUP_SOCK_ADDR, HELPER.redirectPeer, connect)).toBe(false);
    expect(addon.probeHelper(999, HELPER.redirectPeer)).toBe(false);
  });
});

describe('probeProgram', () => {
  it('loads what the kernel takes, and says whether it became machine code', () => {
    const on = readFileSync('/proc/sys/net/core/bpf_jit_enable', 'utf8').trim() !== '0';
    expect(addon.probeProgram(TC)).toMatchObject({ ok: true, jited: on });
  });

  it("hands over the verifier's log of what it refuses", () => {
    const answer = addon.probeProgram({ ...TC, instructions: INSTRUCTIONS.subarray(0, 8) });
    expect(answer).toMatchObject({ ok: false, jited: false });
    expect(answer.log).toContain('last insn is not an exit or jmp');
  });

  it('says no to a hook that does not exist', () => {
    expect(addon.probeProgram({ ...TC, type: PROGRAM_TYPE.CGROUP_SOCK_ADDR, expectedAttachType: 999 }).ok).toBe(false);
  });

  it.each([0, 7, 12])('refuses %d bytes of instructions', (length) => {
    const instructions = new Uint8Array(length);
    expect(() => addon.probeProgram({ ...TC, instructions })).toThrow('not a multiple of 8');
  });

  it('is no answer without the right to ask', async () => {
    const code = `import { addon } from '${ADDON}'; addon.probeHelper(3, 1);`;
    const child = run('setpriv', [
      // Still root by name: the checkout may be in a home that only root may read.
      '--bounding-set=-all',
      '--inh-caps=-all',
      process.execPath,
      '--input-type=module',
      '--eval',
      code,
    ]);
    await expect(child).rejects.toThrow(/cannot load a probe program: Operation not permitted \(EPERM\)/);
  });
});

/** Neither descriptors nor threads. A process has some that come and go by themselves, but not so many. */
function leavesNothing(attempt: () => void): void {
  const count = (): number[] => ['fd', 'task'].map((of) => readdirSync(`/proc/self/${of}`).length);
  const ATTEMPTS = 20;
  const before = count();
  for (let n = 0; n < ATTEMPTS; n++) attempt();
  const grown = count().filter((now, of) => now - (before[of] ?? 0) >= ATTEMPTS / 2);
  expect(grown).toEqual([]);
}

describe('probeLink', () => {
  const tcx = atLeast('6.6');

  it('attaches to the loopback interface of a namespace of its own', () => {
    const xdp = { ...TC, type: PROGRAM_TYPE.XDP, expectedAttachType: ATTACH_TYPE.XDP };
    leavesNothing(() => {
      expect(addon.probeLink(TC, ATTACH_TYPE.TCX_INGRESS, 'loopback')).toBe(tcx ? '' : 'EINVAL');
      expect(addon.probeLink(xdp, ATTACH_TYPE.XDP, 'loopback')).toBe('');
    });
  });

  it('tells how the kernel refused: the interface, the descriptor, the attach type', () => {
    expect(addon.probeLink(TC, ATTACH_TYPE.TCX_INGRESS, 0x7fffffff)).toBe(tcx ? 'ENODEV' : 'EINVAL');
    expect(addon.probeLink(TC, 999, 0x7fffffff)).toBe('EINVAL');
    const expectedAttachType = ATTACH_TYPE.CGROUP_INET4_CONNECT;
    const connect = { ...TC, type: PROGRAM_TYPE.CGROUP_SOCK_ADDR, expectedAttachType };
    expect(addon.probeLink(connect, expectedAttachType, -1)).toBe('EBADF');
  });

  it('refuses a place that is neither', () => {
    const untyped = addon as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(() => untyped['probeLink']?.(TC, 46, 'lo')).toThrow("where is neither 'loopback' nor a number");
    expect(() => untyped['probeLink']?.(TC, 46)).toThrow("where is neither 'loopback' nor a number");
  });
});

describe('probeProgramType and probeMapType', () => {
  it('know what exists and not what does not', () => {
    expect(addon.probeProgramType(PROGRAM_TYPE.CGROUP_SOCK_ADDR)).toBe(true);
    expect(addon.probeProgramType(999)).toBe(false);
    expect(addon.probeMapType(MAP_TYPE.RINGBUF)).toBe(true);
    expect(addon.probeMapType(999)).toBe(false);
  });
});

describe('probeClsact', () => {
  it('attaches a filter in a namespace of its own', () => {
    leavesNothing(() => {
      expect(addon.probeClsact(TC)).toBe('');
    });
  });

  it('tells how the kernel refused', () => {
    const xdp = { ...TC, type: PROGRAM_TYPE.XDP, expectedAttachType: ATTACH_TYPE.XDP };
    expect(addon.probeClsact(xdp)).toBe('EINVAL');
  });
});

/** In a process of its own, which has lost what `setpriv` or `prlimit` in front take away. */
async function inChild(before: readonly string[], code: string): Promise<string> {
  const program = `import { addon } from '${ADDON}'; ${code}`;
  const child = [...before, process.execPath, '--input-type=module', '--eval', program];
  return (await run('env', child)).trim();
}

describe('sockDiagDestroyError', () => {
  it('ends a socket of its own, and leaves nothing behind', async () => {
    const before = readdirSync('/proc/self/fd').length;
    expect(await sockDiagDestroyError()).toBe('');
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });

  it('is a no without the right to', async () => {
    const features = new URL('../../src/kernel/probes.ts', import.meta.url).href;
    const code = `import { sockDiagDestroyError } from '${features}'; console.log(await sockDiagDestroyError())`;
    expect(await inChild(['setpriv', '--bounding-set=-all', '--inh-caps=-all'], code)).toMatch(/^E(PERM|ACCES)$/);
  });
});

describe('probeMapMemory', () => {
  const code = 'console.log(addon.probeMapMemory())';
  const charged = addon.probeMapMemory() === 'cgroup';

  it('leaves the limit on locked memory as it was', () => {
    const limit = (): string | undefined =>
      /^Max locked memory.*$/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[0];
    const before = limit();
    addon.probeMapMemory();
    expect(limit()).toBe(before);
    expect(before).toBeDefined();
  });

  it('tells what bounds maps, and whether this process may change it', async () => {
    const few = ['prlimit', '--memlock=1048576:1048576', '--'];
    const stuck = [...few, 'setpriv', '--bounding-set=-sys_resource', '--inh-caps=-sys_resource'];
    expect(await inChild(few, code)).toBe(charged ? 'cgroup' : 'limit');
    expect(await inChild(stuck, code)).toBe(charged ? 'cgroup' : 'fixed');
  });

  it('is no answer without the right to ask', async () => {
    const child = inChild(['setpriv', '--bounding-set=-all', '--inh-caps=-all'], code);
    await expect(child).rejects.toThrow(/cannot probe the accounting of map memory: Operation not permitted \(EPERM\)/);
  });
});

describe('kernelHasFunction', () => {
  const withBtf = existsSync('/sys/kernel/btf/vmlinux');

  it('agrees with the symbols that the kernel lists', () => {
    const symbols = readFileSync('/proc/kallsyms', 'utf8');
    expect(addon.kernelHasFunction('bpf_sock_destroy')).toBe(withBtf && / bpf_sock_destroy$/m.test(symbols));
    expect(addon.kernelHasFunction('tcp_v4_connect')).toBe(withBtf);
    expect(addon.kernelHasFunction('bpfsvc_none')).toBe(false);
  });

  it('finds none where the kernel has no BTF', async () => {
    const hide = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', 'sh'];
    expect(await inChild(withBtf ? hide : [], "console.log(addon.kernelHasFunction('tcp_v4_connect'))")).toBe('false');
  });
});
