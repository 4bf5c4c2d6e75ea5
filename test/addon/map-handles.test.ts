// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import type { NativeMap } from '../../src/kernel/native-types.ts';
import { asU64, kernelErrorOf, makeMap, u32, u64 } from '../support/kernel.ts';

const PAGE = Number(execFileSync('getconf', ['PAGESIZE']));

function mountBpffs(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'bpfsvc-map-'));
  addon.mountBpffs(directory);
  onTestFinished(() => {
    spawnSync('umount', [directory]);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

describe('opening', () => {
  it('finds a map by its pin and by its id', () => {
    const map = makeMap();
    map.update(u32(1), u64(11));
    const pin = path.join(mountBpffs(), 'numbers');
    map.pin(pin);
    for (const again of [addon.openPinnedMap(pin), addon.openMapById(map.info().id)]) {
      expect(again.fd).not.toBe(map.fd);
      expect(again.info()).toEqual(map.info());
      expect(asU64(again.lookup(u32(1)))).toEqual([11n]);
      again.close();
    }
  });

  it('names the pin or the id that is not there', () => {
    const pin = path.join(mountBpffs(), 'nothing');
    expect(kernelErrorOf(() => addon.openPinnedMap(pin))).toMatchObject({
      code: 'ENOENT',
      errno: 2,
      op: 'map.openPinned',
      object: pin,
      message: `cannot open pinned map ${pin}: No such file or directory (ENOENT)`,
    });
    expect(kernelErrorOf(() => addon.openMapById(2 ** 31))).toMatchObject({
      code: 'ENOENT',
      op: 'map.openById',
      object: 'id 2147483648',
    });
  });

  it('takes no map for a program or a link', () => {
    const pin = path.join(mountBpffs(), 'numbers');
    makeMap().pin(pin);
    const reason = 'what is pinned there is a bpf-map';
    expect(kernelErrorOf(() => addon.openPinnedProgram(pin)).message).toContain(reason);
    expect(kernelErrorOf(() => addon.openPinnedLink(pin)).message).toContain(reason);
  });

  it('says where a pin could not be made', () => {
    const pin = path.join(mountBpffs(), 'no', 'such', 'directory');
    expect(
      kernelErrorOf(() => {
        makeMap().pin(pin);
      }),
    ).toMatchObject({
      code: 'ENOENT',
      op: 'map.pin',
      object: 'numbers',
      message: `cannot pin map numbers: ${pin}: No such file or directory (ENOENT)`,
    });
  });
});

describe('close', () => {
  it('may come twice; everything else is refused with ECLOSED', () => {
    const map = makeMap();
    map.close();
    map.close();
    const calls: [string, () => unknown][] = [
      ['map.fd', () => map.fd],
      ['map.info', () => map.info()],
      ['map.lookup', () => map.lookup(u32(1))],
      [
        'map.update',
        () => {
          map.update(u32(1), u64(1));
        },
      ],
      [
        'map.setInner',
        () => {
          map.setInner(u32(1), map);
        },
      ],
      ['map.delete', () => map.delete(u32(1))],
      ['map.nextKey', () => map.nextKey(undefined)],
      ['map.lookupBatch', () => map.lookupBatch(undefined, 1)],
      [
        'map.updateBatch',
        () => {
          map.updateBatch(u32(1), u64(1), 1);
        },
      ],
      ['map.deleteBatch', () => map.deleteBatch(u32(1), 1)],
      ['map.mmap', () => map.mmap(0, PAGE)],
      [
        'map.freeze',
        () => {
          map.freeze();
        },
      ],
      [
        'map.pin',
        () => {
          map.pin('/x');
        },
      ],
    ];
    for (const [op, call] of calls) {
      const error = kernelErrorOf(call);
      expect([error.op, error.code, error.object]).toEqual([op, 'ECLOSED', 'numbers']);
      expect(error.message).toMatch(/map numbers: it is closed \(ECLOSED\)$/);
    }
  });

  it('leaves what the map is called on alone: methods refuse another receiver', () => {
    const forged = Object.create(Object.getPrototypeOf(makeMap()) as object) as NativeMap;
    expect(() => forged.lookup(u32(1))).toThrow(TypeError);
    const orphan = new (makeMap().constructor as new () => NativeMap)();
    expect(kernelErrorOf(() => orphan.lookup(u32(1))).code).toBe('ECLOSED');
  });
});
