// SPDX-License-Identifier: Apache-2.0
// The kernel's list of locks.

import { describe, expect, it } from 'vitest';
import { parseLocks } from '../../../src/observe/lock-holder.ts';

const LOCKS = `1: POSIX  ADVISORY  WRITE 11 00:34:909177 0 EOF
2: FLOCK  ADVISORY  WRITE 22 00:34:909177 0 EOF
2: -> FLOCK  ADVISORY  WRITE 33 00:34:909178 0 EOF
3: FLOCK  ADVISORY  WRITE 44 103:02:12 0 EOF
4: FLOCK  ADVISORY  WRITE 55 00:134:5 0 EOF
`;

describe('parseLocks', () => {
  it('finds the holder of a lock by device and inode', () => {
    expect(parseLocks(LOCKS, 0x34n, 909_177n)).toBe(22);
    expect(parseLocks(LOCKS, 0x35n, 909_177n)).toBeUndefined();
  });

  it('does not take who waits for one who holds', () => {
    expect(parseLocks(LOCKS, 0x34n, 909_178n)).toBeUndefined();
  });

  it('knows devices with large numbers', () => {
    expect(parseLocks(LOCKS, 0x1_0302n, 12n)).toBe(44);
    expect(parseLocks(LOCKS, 0x10_0034n, 5n)).toBe(55);
  });
});
