// SPDX-License-Identifier: Apache-2.0
// Links to interfaces of a namespace of its own; those to cgroups are in link-cgroup.test.ts.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ATTACH_TYPE } from '../../src/kernel/constants.ts';
import { hasTcx } from '../../src/kernel/probes.ts';
import { TestObject } from '../support/bpf-object.ts';
import type { Conversation } from '../support/namespace.ts';
import { Namespace } from '../support/namespace.ts';
import type { Call } from './programs/attach.ts';

const LINK_TYPE_XDP = 6;
const LINK_TYPE_TCX = 11;

/** Of the veth pair: packets leave by `near` and arrive at `far`. */
let near: number;
let far: number;
let file: TestObject;
let namespace: Namespace;
let program: Conversation;

interface Answer {
  readonly answer?: unknown;
  readonly error?: { message: string; code: string; op: string; object: string };
}

async function call(on: string, method: string, ...args: Call['args']): Promise<unknown> {
  return ask({ on, method, args });
}

async function ask(what: Call): Promise<unknown> {
  program.tell(JSON.stringify(what));
  const { answer, error } = await program.hear<Answer>(`the answer to ${what.method}`);
  return error ?? answer;
}

/** Sends one packet from near to far; resolves with what each program has seen in all: tc passed, tc dropped, XDP. */
async function send(): Promise<unknown> {
  await namespace.run('bash', ['-c', 'echo >/dev/udp/192.0.2.2/9']);
  return call('$packets', 'read');
}

async function restart(): Promise<void> {
  await program[Symbol.asyncDispose]();
  await start();
}

async function start(): Promise<void> {
  program = namespace.start('addon/programs/attach.ts', file.path);
  await program.hear('that the programs are loaded');
}

beforeEach(async () => {
  file = await TestObject.compile('addon/programs/attach.bpf.c');
  namespace = await Namespace.create();
  await namespace.run('sh', ['-c', 'for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done']);
  await namespace.ip(
    'link add near type veth peer name far',
    'link set near up',
    'link set far up',
    'address add 192.0.2.1/24 dev near',
    'neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev near',
  );
  const links = await namespace.list<{ ifname: string; ifindex: number }>('link', 'show');
  near = links.find(({ ifname }) => ifname === 'near')?.ifindex ?? 0;
  far = links.find(({ ifname }) => ifname === 'far')?.ifindex ?? 0;
  await start();
});

afterEach(async () => {
  await program[Symbol.asyncDispose]();
  namespace[Symbol.dispose]();
  file[Symbol.dispose]();
});

if (hasTcx()) {
  describe('attachTcx on a kernel that has it', () => {
    it('puts a program on each direction of an interface, which sees the packets', async () => {
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_pass', near, ATTACH_TYPE.TCX_EGRESS], as: '$out' });
      expect(await send()).toEqual([1, 0, 0, 0]);
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_pass', far, ATTACH_TYPE.TCX_INGRESS], as: '$in' });
      expect(await send()).toEqual([3, 0, 0, 0]);
      expect(await call('$out', 'info')).toMatchObject({
        type: LINK_TYPE_TCX,
        ifindex: near,
        attachType: ATTACH_TYPE.TCX_EGRESS,
        programId: ((await call('$tc_pass', 'info')) as { id: number }).id,
      });
    });

    it('replaces the program in place, detaches, and keeps a handle of what is detached', async () => {
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_drop', near, ATTACH_TYPE.TCX_EGRESS], as: '$drop' });
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_pass', far, ATTACH_TYPE.TCX_INGRESS], as: '$in' });
      expect(await send()).toEqual([0, 1, 0, 0]);
      expect(await call('$drop', 'update', '$tc_pass')).toBeNull();
      expect(await send()).toEqual([2, 1, 0, 0]);
      expect(await call('$drop', 'detach')).toBeNull();
      expect(await send()).toEqual([3, 1, 0, 0]);
      expect(await call('$drop', 'info')).toMatchObject({ type: LINK_TYPE_TCX, ifindex: 0 });
    });

    it('ends with the last handle, that of a process included', async () => {
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_pass', near, ATTACH_TYPE.TCX_EGRESS], as: '$link' });
      await call('$link', 'close');
      expect(await send()).toEqual([0, 0, 0, 0]);
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_drop', near, ATTACH_TYPE.TCX_EGRESS], as: '$link' });
      await restart();
      await ask({ on: '$addon', method: 'attachTcx', args: ['$tc_pass', far, ATTACH_TYPE.TCX_INGRESS], as: '$in' });
      expect(await send()).toEqual([1, 0, 0, 0]);
    });
  });
}

describe('attachTcx', () => {
  it('names the program and the interface that does not exist', async () => {
    // Without tcx a kernel does not come to look for the interface.
    const reason = hasTcx() ? 'No such device (ENODEV)' : 'Invalid argument (EINVAL)';
    expect(await call('$addon', 'attachTcx', '$tc_pass', 77, ATTACH_TYPE.TCX_EGRESS)).toMatchObject({
      op: 'link.attachTcx',
      object: 'tc_pass at interface 77',
      message: `cannot attach program tc_pass at interface 77: ${reason}`,
    });
  });

  it.each([
    [['$addon', 1, ATTACH_TYPE.TCX_EGRESS], 'program is not a program'],
    [['$tc_pass', -1, ATTACH_TYPE.TCX_EGRESS], 'ifindex is not an integer'],
    [['$tc_pass', 1, ATTACH_TYPE.XDP], "attachType is not one of tcx's"],
    [['$xdp_pass', 1, ATTACH_TYPE.TCX_EGRESS], 'xdp_pass at interface 1: Invalid argument'],
  ])('refuses %j', async (args, reason) => {
    const error = await call('$addon', 'attachTcx', ...args);
    expect(error).toMatchObject({ code: 'EINVAL', message: expect.stringContaining(reason) as string });
  });
});

describe('attachXdp', () => {
  it('puts a program before everything else, replaces it in place and takes it off', async () => {
    expect(await call('$addon', 'attachClsact', '$tc_pass', far, 'ingress', 1, 1)).toBeNull();
    await ask({ on: '$addon', method: 'attachXdp', args: ['$xdp_drop', far, 0], as: '$xdp' });
    expect(await send()).toEqual([0, 0, 0, 1]);
    expect(await call('$xdp', 'info')).toMatchObject({ type: LINK_TYPE_XDP, ifindex: far });
    await call('$xdp', 'update', '$xdp_pass');
    expect(await send()).toEqual([1, 0, 1, 1]);
    await call('$xdp', 'close');
    expect(await send()).toEqual([2, 0, 1, 1]);
  });

  it('heeds the flags: a driver that cannot is refused, the generic path is not', async () => {
    const [GENERIC, DRIVER] = [1 << 1, 1 << 2];
    expect(await call('$addon', 'attachXdp', '$xdp_drop', 1, DRIVER)).toMatchObject({
      code: 'EOPNOTSUPP',
      op: 'link.attachXdp',
      object: 'xdp_drop at interface 1',
    });
    await ask({ on: '$addon', method: 'attachXdp', args: ['$xdp_drop', far, GENERIC], as: '$xdp' });
    const shown = await namespace.list<{ xdp?: { mode: number } }>('link', 'show', 'dev', 'far');
    expect(shown[0]?.xdp?.mode).toBe(2);
    expect(await send()).toEqual([0, 0, 0, 1]);
  });

  it('refuses a second program on an interface', async () => {
    await ask({ on: '$addon', method: 'attachXdp', args: ['$xdp_pass', far, 0], as: '$xdp' });
    expect(await call('$addon', 'attachXdp', '$xdp_drop', far, 0)).toMatchObject({ code: 'EBUSY' });
  });
});
