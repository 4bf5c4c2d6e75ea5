// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { ATTACH_TYPE } from '../../src/kernel/constants.ts';
import type { NativeLink, NativeObject, NativeProgram } from '../../src/kernel/native-types.ts';
import { TestObject } from '../support/bpf-object.ts';
import { run } from '../support/command.ts';
import { kernelErrorOf } from '../support/kernel.ts';
import { cgroupMount, claimPrefix, makeCgroup, removeEverything, scratchDirectory } from '../support/leftovers.ts';

const CONNECT4 = ATTACH_TYPE.CGROUP_INET4_CONNECT;
const LINK_TYPE_CGROUP = 3;

let file: TestObject;
let object: NativeObject;
let allow: NativeProgram;
let deny: NativeProgram;
let prefix: string;
let cgroup: string;
let bpffs: string;
let links: NativeLink[];

beforeAll(async () => {
  file = await TestObject.compile('addon/programs/attach.bpf.c');
  object = addon.openObject(file.path);
  object.load();
  allow = object.program('allow');
  deny = object.program('deny');
});

afterAll(() => {
  for (const handle of [allow, deny, object, { close: file[Symbol.dispose].bind(file) }]) handle.close();
});

beforeEach(() => {
  prefix = claimPrefix();
  cgroup = makeCgroup(path.join(cgroupMount(), `${prefix}-links`));
  bpffs = path.join(scratchDirectory(prefix), 'bpf');
  mkdirSync(bpffs, { recursive: true });
  addon.mountBpffs(bpffs);
  links = [];
});

afterEach(() => {
  for (const link of links) link.close();
  removeEverything(prefix);
});

function attach(program: NativeProgram): NativeLink {
  const link = addon.attachCgroup(program, cgroup, CONNECT4);
  links.push(link);
  return link;
}

/** How a connection to a port where nobody listens fails for a process in the cgroup. */
async function connect(): Promise<string> {
  const script = 'echo $$ >"$0/cgroup.procs"; (echo >/dev/tcp/127.0.0.1/1) 2>&1 | tail -1';
  const said = await run('bash', ['-c', script, cgroup]);
  return /(?<=: )[^:]*$/.exec(said)?.[0] ?? said;
}

describe('attachCgroup', () => {
  it('puts a program on a cgroup, where it decides for the processes in it', async () => {
    expect(await connect()).toBe('Connection refused');
    const link = attach(deny);
    expect(await connect()).toBe('Operation not permitted');
    link.close();
    expect(await connect()).toBe('Connection refused');
  });

  it('says what is attached, and to what', () => {
    expect(attach(deny).info()).toEqual({
      id: expect.any(Number) as number,
      type: LINK_TYPE_CGROUP,
      programId: deny.info().id,
      cgroupId: statSync(cgroup, { bigint: true }).ino,
      attachType: CONNECT4,
    });
  });

  it('replaces the program in place', async () => {
    const link = attach(deny);
    link.update(allow);
    expect(await connect()).toBe('Connection refused');
    expect(link.info().programId).toBe(allow.info().id);
  });

  it('detaches although the link is pinned and open', async () => {
    const link = attach(deny);
    link.pin(path.join(bpffs, 'link'));
    link.detach();
    expect(await connect()).toBe('Connection refused');
  });

  it('names the program and the cgroup that does not exist', () => {
    const nowhere = path.join(cgroup, 'nowhere');
    expect(kernelErrorOf(() => addon.attachCgroup(deny, nowhere, CONNECT4))).toMatchObject({
      code: 'ENOENT',
      op: 'link.attachCgroup',
      object: `deny at ${nowhere}`,
      message: `cannot attach program deny at ${nowhere}: No such file or directory (ENOENT)`,
    });
    expect(existsSync(nowhere)).toBe(false);
  });

  it('refuses a directory that is no cgroup, an attach type of another program, and what is no program', () => {
    expect(kernelErrorOf(() => addon.attachCgroup(deny, bpffs, CONNECT4)).code).toBe('EBADF');
    const inet6 = ATTACH_TYPE.CGROUP_INET6_CONNECT;
    expect(kernelErrorOf(() => addon.attachCgroup(deny, cgroup, inet6)).code).toBe('EINVAL');
    const map = object.map('packets');
    const wrong = map as unknown as NativeProgram;
    expect(kernelErrorOf(() => addon.attachCgroup(wrong, cgroup, CONNECT4)).message).toContain(
      'program is not a program',
    );
    map.close();
    const closed = object.program('deny');
    closed.close();
    expect(kernelErrorOf(() => addon.attachCgroup(closed, cgroup, CONNECT4))).toMatchObject({
      code: 'ECLOSED',
      message: expect.stringContaining('program is closed') as string,
    });
  });
});

describe('a pinned link', () => {
  it('works on when its handle is closed, and is found again by its pin', async () => {
    const pin = path.join(bpffs, 'link');
    const link = attach(deny);
    link.pin(pin);
    const { id } = link.info();
    link.close();
    expect(await connect()).toBe('Operation not permitted');
    const again = addon.openPinnedLink(pin);
    links.push(again);
    expect(again.info()).toMatchObject({ id, programId: deny.info().id });
    again.update(allow);
    expect(await connect()).toBe('Connection refused');
  });

  it('is not taken for a map or a program, nor a program for a link', () => {
    attach(deny).pin(path.join(bpffs, 'link'));
    deny.pin(path.join(bpffs, 'program'));
    expect(kernelErrorOf(() => addon.openPinnedMap(path.join(bpffs, 'link'))).message).toMatch(
      /what is pinned there is a bpf[-_]link \(EINVAL\)$/,
    );
    expect(kernelErrorOf(() => addon.openPinnedProgram(path.join(bpffs, 'link'))).code).toBe('EINVAL');
    expect(kernelErrorOf(() => addon.openPinnedLink(path.join(bpffs, 'program'))).message).toContain('is a bpf-prog');
    const again = addon.openPinnedProgram(path.join(bpffs, 'program'));
    expect(again.info().id).toBe(deny.info().id);
    again.close();
  });

  it('is reported missing by its path', () => {
    const pin = path.join(bpffs, 'nothing');
    expect(kernelErrorOf(() => addon.openPinnedLink(pin))).toMatchObject({
      code: 'ENOENT',
      op: 'link.openPinned',
      object: pin,
    });
  });
});

describe('queryCgroup', () => {
  it('lists the ids of the programs attached, in order, however many', () => {
    expect(addon.queryCgroup(cgroup, CONNECT4)).toEqual([]);
    attach(deny);
    attach(allow);
    expect(addon.queryCgroup(cgroup, CONNECT4)).toEqual([deny.info().id, allow.info().id]);
    expect(addon.queryCgroup(cgroup, ATTACH_TYPE.CGROUP_INET6_CONNECT)).toEqual([]);
  });

  it('lists as many as the kernel takes', () => {
    // BPF_CGROUP_MAX_PROGS; one program may be attached once only.
    const many = Array.from({ length: 64 }, () => {
      const one = addon.openObject(file.path);
      for (const { name } of one.programs()) one.setAutoload(name, name === 'allow');
      one.load();
      const program = one.program('allow');
      one.close();
      attach(program);
      const { id } = program.info();
      program.close();
      return id;
    });
    expect(addon.queryCgroup(cgroup, CONNECT4)).toEqual(many);
  });

  it('names the cgroup that is not there', () => {
    expect(kernelErrorOf(() => addon.queryCgroup('/nowhere', CONNECT4))).toMatchObject({
      code: 'ENOENT',
      op: 'link.queryCgroup',
      object: '/nowhere',
    });
  });
});

describe('close', () => {
  it('may come twice; everything else is refused with ECLOSED', () => {
    const link = attach(deny);
    link.close();
    link.close();
    const calls: [string, () => unknown][] = [
      ['link.info', () => link.info()],
      [
        'link.update',
        () => {
          link.update(allow);
        },
      ],
      [
        'link.detach',
        () => {
          link.detach();
        },
      ],
      [
        'link.pin',
        () => {
          link.pin('/x');
        },
      ],
    ];
    for (const [op, call] of calls) {
      const error = kernelErrorOf(call);
      expect([error.op, error.code, error.object]).toEqual([op, 'ECLOSED', `deny at ${cgroup}`]);
    }
  });
});
