// SPDX-License-Identifier: Apache-2.0
// Other processes' UDP sockets in a namespace of their own: found, taken, connected again, ended.

import { readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { KernelError } from '../../src/kernel/errors.ts';
import type { FoundUdpSocket, Reconnection, SocketHolder, UdpEndpoint } from '../../src/kernel/udp-sockets.ts';
import { run } from '../support/command.ts';
import type { Conversation } from '../support/namespace.ts';
import { Namespace } from '../support/namespace.ts';

/** Two routes, each with a source address of its own. */
const OLD = { v4: { address: '192.0.2.1', port: 5000 }, v6: { address: '2001:db8:1::1', port: 5000 } };
const NEW = { v4: { address: '198.51.100.1', port: 5001 }, v6: { address: '2001:db8:2::1', port: 5001 } };
const OLD_SOURCE = { v4: '192.0.2.254', v6: '2001:db8:1::fe' };
const NEW_SOURCE = { v4: '198.51.100.254', v6: '2001:db8:2::fe' };

const TAKER = fileURLToPath(new URL('programs/udp-taker.ts', import.meta.url));

let namespace: Namespace;
let holder: Conversation;
let opened = 0;

beforeAll(async () => {
  namespace = await Namespace.create();
  await namespace.ip(
    'link add here type veth peer name there',
    'link set there up',
    'link set here up',
    `addr add ${OLD_SOURCE.v4}/24 dev here`,
    `addr add ${NEW_SOURCE.v4}/24 dev here`,
    `addr add ${OLD_SOURCE.v6}/64 dev here nodad`,
    `addr add ${NEW_SOURCE.v6}/64 dev here nodad`,
  );
  holder = namespace.start('addon/programs/udp-holder.ts');
  const { ready } = await holder.hear<{ ready: number }>('the program to start');
  // Some machines allow 4096 at most.
  await run('prlimit', ['--pid', String(ready), '--nofile=20000:20000']);
});

afterAll(async () => {
  await holder[Symbol.asyncDispose]();
  namespace[Symbol.dispose]();
});

interface Opened {
  /** For `peer` and `close`. */
  readonly number: number;
  readonly cookie: bigint;
  readonly port: number;
}

async function open(type: 'udp4' | 'udp6', to?: UdpEndpoint, bind = '-'): Promise<Opened> {
  const [one] = await openMany(1, type, to, bind);
  if (one === undefined) throw new Error('no socket');
  return one;
}

async function openMany(count: number, type: 'udp4' | 'udp6', to?: UdpEndpoint, bind = '-'): Promise<Opened[]> {
  holder.tell(`open ${type} ${bind} ${to?.address ?? '-'} ${to?.port ?? 0} ${count}`);
  const { opened: ports } = await holder.hear<{ opened: number[] }>('sockets to be opened');
  const cookies = await cookiesByPort(type === 'udp4' ? '-4' : '-6');
  return ports.map((port) => ({ number: opened++, port, cookie: cookies.get(port) ?? 0n }));
}

/** What iproute2 says. */
async function cookiesByPort(family: string): Promise<Map<number, bigint>> {
  const lines = (await namespace.run('ss', ['-uanHe', family])).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const cookie = /\bsk:([0-9a-f]+)/.exec(line)?.[1];
      const port = /:(\d+)$/.exec(line.trim().split(/ +/)[3] ?? '')?.[1];
      return cookie === undefined || port === undefined ? [] : [[Number(port), BigInt(`0x${cookie}`)] as const];
    }),
  );
}

async function peerOf({ number }: Opened): Promise<{ peer: UdpEndpoint; local: UdpEndpoint }> {
  holder.tell(`peer ${number}`);
  return holder.hear<{ peer: UdpEndpoint; local: UdpEndpoint }>('its peer', (answer) => 'local' in answer);
}

async function find(...sockets: readonly Opened[]): Promise<readonly FoundUdpSocket[]> {
  return (
    await addon.findUdpSockets(
      BigUint64Array.from(sockets, ({ cookie }) => cookie),
      [],
    )
  ).sockets;
}

async function holderOf(socket: Opened): Promise<SocketHolder> {
  const [found] = await find(socket);
  if (found?.holder === undefined) throw new Error('nobody holds it');
  return found.holder;
}

async function reconnect(socket: Opened, extra: Partial<Reconnection> = {}): Promise<unknown> {
  const { cookie } = socket;
  const held = await holderOf(socket);
  const [result] = await addon.reconnectUdpSockets([{ cookie, holder: held, from: [OLD.v4], to: NEW.v4, ...extra }]);
  return result;
}

/** What the work must leave as it was. */
function ownState(): unknown {
  const namespaces = readdirSync('/proc/self/task').map((task) => readlinkSync(`/proc/self/task/${task}/ns/net`));
  return { namespaces: [...new Set(namespaces)], descriptors: readdirSync('/proc/self/fd').length };
}

describe('findUdpSockets', () => {
  it('tells of each socket who it talks to, from where, and who holds it', async () => {
    const [four, six, mapped] = [
      await open('udp4', OLD.v4),
      await open('udp6', OLD.v6),
      await open('udp6', { ...OLD.v4, address: `::ffff:${OLD.v4.address}` }),
    ];
    const found = new Map((await find(four, six, mapped)).map((socket) => [socket.cookie, socket]));
    expect(found.get(four.cookie)?.holder?.pid).toBeGreaterThan(1);
    const common = { ifindex: 0, netns: expect.stringMatching(/^\/proc\/\d+\/ns\/net$/) as string };
    const ofHolder = { holder: { pid: found.get(four.cookie)?.holder?.pid, fd: expect.any(Number) as number } };
    const of = (family: 4 | 6, at: 'v4' | 'v6', { port }: Opened): unknown => ({
      ...common,
      ...ofHolder,
      family,
      local: { address: OLD_SOURCE[at], port },
      peer: OLD[at],
      source: OLD_SOURCE[at],
    });
    expect(found.get(four.cookie)).toMatchObject(of(4, 'v4', four) as object);
    expect(found.get(six.cookie)).toMatchObject(of(6, 'v6', six) as object);
    expect(found.get(mapped.cookie)).toMatchObject(of(6, 'v4', mapped) as object);
  });

  it('knows a socket without a peer, and leaves out what is closed or not asked for', async () => {
    const [unconnected, closed] = [await open('udp4'), await open('udp4', OLD.v4)];
    await open('udp4', OLD.v4);
    holder.tell(`close ${closed.number}`);
    await holder.hear('it to be closed', (answer: object) => 'closed' in answer);
    const found = await find(unconnected, closed);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ cookie: unconnected.cookie, local: { address: '0.0.0.0' } });
    expect(found[0]).not.toHaveProperty('peer');
    expect(found[0]).not.toHaveProperty('source');
  });

  it('leaves no descriptor and no thread in another namespace behind', async () => {
    const socket = await open('udp4', OLD.v4);
    await find(socket);
    const before = ownState();
    for (let i = 0; i < 20; i++) await find(socket);
    expect(ownState()).toEqual(before);
  });

  it('lets the event loop turn while it looks through ten thousand sockets', async () => {
    const sockets = await openMany(10_000, 'udp4', OLD.v4);
    const search = find(...sockets.slice(0, 100));
    let turns = 0;
    const counting = new AbortController();
    const count = async (): Promise<void> => {
      for (; !counting.signal.aborted; turns++) await nextTurn();
    };
    void count();
    expect(await search).toHaveLength(100);
    counting.abort();
    expect(turns).toBeGreaterThan(100);
  });

  it('refuses what is no list of cookies', () => {
    expect(() => addon.findUdpSockets([1n] as unknown as BigUint64Array, [])).toThrow(KernelError);
  });
});

describe('reconnectUdpSockets', () => {
  it('connects a socket to another peer, with the port that it has', async () => {
    const socket = await open('udp4', OLD.v4);
    expect(await reconnect(socket)).toEqual({ outcome: 'done', code: '' });
    expect(await peerOf(socket)).toMatchObject({ peer: NEW.v4, local: { address: OLD_SOURCE.v4, port: socket.port } });
  });

  it.each([
    ['udp4', 'v4', OLD.v4, NEW.v4],
    ['udp6', 'v6', OLD.v6, NEW.v6],
  ] as const)(
    'gives a %s socket the source address of its new route, and the port that it has',
    async (type, at, from, to) => {
      const socket = await open(type, from);
      expect(await reconnect(socket, { from: [from], to, newSourceElse: from })).toEqual({ outcome: 'done', code: '' });
      expect(await peerOf(socket)).toMatchObject({ peer: to, local: { address: NEW_SOURCE[at], port: socket.port } });
    },
  );

  it('leaves a source address that was bound', async () => {
    const socket = await open('udp4', OLD.v4, OLD_SOURCE.v4);
    expect(await reconnect(socket, { newSourceElse: OLD.v4 })).toEqual({ outcome: 'done', code: '' });
    expect(await peerOf(socket)).toMatchObject({ peer: NEW.v4, local: { address: OLD_SOURCE.v4, port: socket.port } });
  });

  it('leaves a socket as it was where the new peer refuses', async () => {
    const socket = await open('udp4', OLD.v4);
    // Nobody may talk to everybody without having said so.
    const to = { address: '255.255.255.255', port: 1 };
    const before = await peerOf(socket);
    expect(await reconnect(socket, { to })).toEqual({ outcome: 'refused', code: 'EACCES' });
    expect(await peerOf(socket)).toEqual(before);
    expect(await reconnect(socket, { to, newSourceElse: OLD.v4 })).toMatchObject({ outcome: 'refused' });
    expect(await peerOf(socket)).toEqual(before);
  });

  it('does nothing to a socket that its owner has connected elsewhere', async () => {
    const socket = await open('udp4', OLD.v4);
    expect(await reconnect(socket, { from: [NEW.v4] })).toEqual({ outcome: 'elsewhere', code: '' });
    expect(await peerOf(socket)).toMatchObject({ peer: OLD.v4 });
  });

  it('does nothing to another socket that has the descriptor by now, nor to a process that has ended', async () => {
    const [socket, other] = [await open('udp4', OLD.v4), await open('udp4', OLD.v4)];
    const held = await holderOf(other);
    expect(await reconnect(socket, { holder: held })).toEqual({ outcome: 'gone', code: '' });
    expect(await reconnect(socket, { holder: { ...held, fd: 100_000 } })).toEqual({ outcome: 'gone', code: 'EBADF' });
    expect(await reconnect(socket, { holder: { pid: 0x3fffff, fd: 3 } })).toEqual({ outcome: 'gone', code: 'ESRCH' });
    expect(await peerOf(other)).toMatchObject({ peer: OLD.v4 });
  });

  it('is denied to a process that may not take what belongs to others', async () => {
    const socket = await open('udp4', OLD.v4);
    const wanted = { cookie: String(socket.cookie), holder: await holderOf(socket), from: [OLD.v4], to: NEW.v4 };
    const less = ['--bounding-set', '-sys_ptrace', process.execPath, TAKER, JSON.stringify(wanted)];
    expect(JSON.parse(await run('setpriv', less))).toEqual([{ outcome: 'denied', code: 'EPERM' }]);
    expect(await peerOf(socket)).toMatchObject({ peer: OLD.v4 });
  });
});

describe('destroyUdpSockets', () => {
  it.each([
    ['udp4', OLD.v4],
    ['udp6', OLD.v6],
    ['udp6', { ...OLD.v4, address: `::ffff:${OLD.v4.address}` }],
  ] as const)('ends a %s socket to %o and no other', async (type, to) => {
    const [socket, other] = [await open(type, to), await open(type, to)];
    expect(await addon.destroyUdpSockets(await find(socket))).toEqual(['']);
    expect((await find(socket, other)).map(({ cookie, peer }) => [cookie, peer !== undefined])).not.toContainEqual([
      socket.cookie,
      true,
    ]);
    expect(await peerOf(other)).toMatchObject({ peer: to });
  });

  it('names what is in its way', async () => {
    const [found] = await find(await open('udp4', OLD.v4));
    if (found === undefined) throw new Error('not found');
    const codes = await addon.destroyUdpSockets([
      { ...found, netns: '/nowhere' },
      { ...found, cookie: found.cookie + 1_000_000n },
    ]);
    expect(codes).toEqual(['ENOENT', expect.stringMatching(/^E/)]);
  });
});
