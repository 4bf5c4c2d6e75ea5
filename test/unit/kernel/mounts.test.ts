// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { parseMountInfo, readMounts } from '../../../src/kernel/mounts.ts';

describe('parseMountInfo', () => {
  it('reads root, mount point and type past any number of optional fields', () => {
    const text = [
      '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
      '42 27 254:0 /run/netns /run/netns rw,relatime shared:1 master:2 - ext4 /dev/vda rw',
      '50 23 0:44 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700',
      '',
    ].join('\n');
    expect(parseMountInfo(text)).toEqual([
      { root: '/', point: '/sys/fs/cgroup/unified', type: 'cgroup2' },
      { root: '/run/netns', point: '/run/netns', type: 'ext4' },
      { root: '/', point: '/sys/fs/bpf', type: 'bpf' },
    ]);
  });

  it('undoes octal escapes, of characters outside ASCII too', () => {
    const [mount] = parseMountInfo('1 2 0:3 / /mnt/a\\040b\\011c\\134134\\012d - bpf bpf rw');
    expect(mount?.point).toBe('/mnt/a b\tc\\134\nd');
    expect(parseMountInfo('1 2 0:3 / /mnt/\\303\\251té - bpf bpf rw')[0]?.point).toBe('/mnt/été');
  });

  it('skips what is no line of mountinfo', () => {
    expect(parseMountInfo('nonsense\n1 2 3\n - \n')).toEqual([]);
  });
});

describe('readMounts', () => {
  it('finds the root of this mount namespace', () => {
    expect(readMounts().map(({ point }) => point)).toContain('/');
  });
});
