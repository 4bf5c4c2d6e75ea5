// SPDX-License-Identifier: Apache-2.0
// The order in which sockets are looked for, taken, looked at again and, if need be, ended; the kernel is made up.

import { describe, expect, test } from 'vitest';
import type {
  FoundUdpSocket,
  ReconnectResult,
  Reconnection,
  UdpEndpoint,
  UdpMove,
  UdpMoveResult,
  UdpSearch,
  UdpSocketCalls,
} from '../../../src/kernel/udp-sockets.ts';
import { UdpSocketMover } from '../../../src/kernel/udp-sockets.ts';

const FRONTEND: UdpEndpoint = { address: '10.96.0.10', port: 53 };
const OLD: UdpEndpoint = { address: '10.1.0.1', port: 5353 };
const NEW: UdpEndpoint = { address: '10.1.0.2', port: 5353 };
const ELSEWHERE: UdpEndpoint = { address: '192.0.2.1', port: 443 };

type MadeUp = Partial<FoundUdpSocket> & { disconnected?: boolean };

/** Sockets by cookie; a connect() succeeds and leads to NEW unless a test says otherwise. */
class FakeKernel implements UdpSocketCalls {
  readonly sockets = new Map<bigint, FoundUdpSocket>();
  /** Every call, in words. */
  readonly calls: string[] = [];
  readonly ended: bigint[] = [];
  answer: (socket: Reconnection, attempt: number) => ReconnectResult = () => ({ outcome: 'done', code: '' });
  /** Whom a connect() leads to. */
  next: UdpEndpoint = NEW;
  /** What the kernel would send from to this peer. */
  route: (peer: UdpEndpoint) => string | undefined = () => '10.1.9.9';
  destroyed = '';
  #attempts = 0;

  add(cookie: bigint, { disconnected = false, ...of }: MadeUp = {}): this {
    const socket: FoundUdpSocket = {
      cookie,
      family: 4,
      local: { address: '10.1.9.9', port: 40_000 + Number(cookie) },
      peer: OLD,
      ifindex: 0,
      netns: '/proc/7/ns/net',
      holder: { pid: 7, fd: Number(cookie) },
      ...of,
    };
    if (disconnected) delete (socket as { peer?: UdpEndpoint }).peer;
    this.sockets.set(cookie, socket);
    return this;
  }

  findUdpSockets(cookies: BigUint64Array): Promise<UdpSearch> {
    this.calls.push(`find ${[...cookies].join(' ')}`);
    const sockets = [...cookies].flatMap((cookie) => {
      const socket = this.sockets.get(cookie);
      if (socket === undefined) return [];
      const source = socket.peer === undefined ? undefined : this.route(socket.peer);
      return source === undefined ? socket : { ...socket, source };
    });
    return Promise.resolve({ sockets, hiddenNamespaces: 0, hiddenReason: '' });
  }

  reconnectUdpSockets(wanted: readonly Reconnection[]): Promise<ReconnectResult[]> {
    this.calls.push(
      `connect ${wanted.map(({ cookie, newSourceElse }) => `${cookie}${newSourceElse === undefined ? '' : ' new source'}`).join(' ')}`,
    );
    return Promise.resolve(
      wanted.map((one) => {
        const result = this.answer(one, ++this.#attempts);
        const socket = this.sockets.get(one.cookie);
        if (result.outcome === 'done' && socket !== undefined) {
          const source = one.newSourceElse === undefined ? undefined : this.route(this.next);
          const local = source === undefined ? socket.local : { ...socket.local, address: source };
          this.sockets.set(one.cookie, { ...socket, peer: this.next, local });
        }
        return result;
      }),
    );
  }

  destroyUdpSockets(sockets: readonly FoundUdpSocket[]): Promise<string[]> {
    this.calls.push(`end ${sockets.map(({ cookie }) => cookie).join(' ')}`);
    if (this.destroyed === '') this.ended.push(...sockets.map(({ cookie }) => cookie));
    return Promise.resolve(sockets.map(() => this.destroyed));
  }
}

function moveOf(cookie: bigint, mayEnd = true): UdpMove {
  return { cookie, from: OLD, to: FRONTEND, mayEnd };
}

function moves(kernel: FakeKernel, ...wanted: readonly UdpMove[]): Promise<UdpMoveResult[]> {
  return new UdpSocketMover(kernel, []).move(wanted);
}

const MOVED: UdpMoveResult = { outcome: 'moved', code: '' };

describe('moving UDP sockets', () => {
  test('takes each, connects it to its frontend, and looks at it again', async () => {
    const kernel = new FakeKernel().add(1n).add(2n);
    expect(await moves(kernel, moveOf(1n), moveOf(2n))).toEqual([MOVED, MOVED]);
    expect(kernel.calls).toEqual(['find 1 2', 'connect 1 2', 'find 1 2']);
  });

  test('asks for a descriptor only while the socket shows the frontend or the backend', async () => {
    const kernel = new FakeKernel().add(1n);
    const asked: Reconnection[] = [];
    kernel.answer = (one) => {
      asked.push(one);
      return { outcome: 'done', code: '' };
    };
    await moves(kernel, moveOf(1n));
    expect(asked).toEqual([{ cookie: 1n, holder: { pid: 7, fd: 1 }, from: [FRONTEND, OLD], to: FRONTEND }]);
  });

  test('leaves one alone that its owner has connected elsewhere or not at all', async () => {
    const kernel = new FakeKernel().add(1n, { peer: ELSEWHERE }).add(2n, { disconnected: true }).add(3n);
    kernel.answer = () => ({ outcome: 'elsewhere', code: '' });
    const elsewhere = { outcome: 'elsewhere', code: '' };
    expect(await moves(kernel, moveOf(1n), moveOf(2n), moveOf(3n))).toEqual([elsewhere, elsewhere, elsewhere]);
    expect(kernel.calls).toEqual(['find 1 2 3', 'connect 3']);
    expect(kernel.ended).toEqual([]);
  });

  test('moves one that is connected to the frontend itself, past the hook', async () => {
    const kernel = new FakeKernel().add(1n, { peer: FRONTEND });
    expect(await moves(kernel, moveOf(1n))).toEqual([MOVED]);
  });

  test('leaves one as it was when nobody is there', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.answer = () => ({ outcome: 'refused', code: 'ECONNREFUSED' });
    expect(await moves(kernel, moveOf(1n))).toEqual([{ outcome: 'refused', code: 'ECONNREFUSED' }]);
    expect(kernel.ended).toEqual([]);
  });

  test('tells of one that is in no namespace that can be looked into', async () => {
    expect(await moves(new FakeKernel(), moveOf(1n))).toEqual([{ outcome: 'unseen', code: '' }]);
  });

  test('looks for another holder when the descriptor is gone', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.answer = (_, attempt) => ({ outcome: attempt === 1 ? 'gone' : 'done', code: '' });
    expect(await moves(kernel, moveOf(1n))).toEqual([MOVED]);
    expect(kernel.calls).toEqual(['find 1', 'connect 1', 'find 1', 'connect 1', 'find 1']);
  });

  test('counts one as moved that its owner has closed meanwhile', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.answer = () => {
      kernel.sockets.delete(1n);
      return { outcome: 'done', code: '' };
    };
    expect(await moves(kernel, moveOf(1n))).toEqual([MOVED]);
  });

  test('tries again, and then ends, what is with its old backend in spite of all', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.next = OLD;
    expect(await moves(kernel, moveOf(1n))).toEqual([{ outcome: 'ended', code: '' }]);
    expect(kernel.calls.filter((call) => call === 'connect 1')).toHaveLength(3);
  });
});

describe('sockets that cannot be taken', () => {
  test('are ended, the others are not', async () => {
    const kernel = new FakeKernel().add(1n).add(2n);
    kernel.answer = ({ cookie }) =>
      cookie === 1n ? { outcome: 'denied', code: 'EPERM' } : { outcome: 'done', code: '' };
    expect(await moves(kernel, moveOf(1n), moveOf(2n))).toEqual([{ outcome: 'ended', code: 'EPERM' }, MOVED]);
    expect(kernel.ended).toEqual([1n]);
  });

  test('are ended, too, when no process is seen to hold them', async () => {
    const kernel = new FakeKernel().add(1n);
    delete (kernel.sockets.get(1n) as { holder?: unknown }).holder;
    expect(await moves(kernel, moveOf(1n))).toEqual([{ outcome: 'ended', code: 'no owner found' }]);
    expect(kernel.calls).not.toContain('connect 1');
  });

  test('stay as they are while there is nobody else to talk to', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.answer = () => ({ outcome: 'denied', code: 'EPERM' });
    expect(await moves(kernel, moveOf(1n, false))).toEqual([{ outcome: 'failed', code: 'EPERM' }]);
    expect(kernel.ended).toEqual([]);
  });

  test('and that the kernel does not end, either, are failures', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.answer = () => ({ outcome: 'denied', code: 'EPERM' });
    kernel.destroyed = 'EOPNOTSUPP';
    expect(await moves(kernel, moveOf(1n))).toEqual([{ outcome: 'failed', code: 'EOPNOTSUPP' }]);
  });
});

describe('the source address', () => {
  const byPeer = ({ address }: UdpEndpoint): string => (address === OLD.address ? '10.1.9.9' : '10.2.9.9');

  test('is chosen anew when the route to the new backend has another', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.route = byPeer;
    expect(await moves(kernel, moveOf(1n))).toEqual([MOVED]);
    expect(kernel.calls.at(-1)).toBe('connect 1 new source');
    expect(kernel.sockets.get(1n)?.local).toEqual({ address: '10.2.9.9', port: 40_001 });
  });

  test('is chosen anew, too, when the route to the old backend is gone', async () => {
    const kernel = new FakeKernel().add(1n);
    kernel.route = (peer) => (peer.address === OLD.address ? undefined : '10.2.9.9');
    await moves(kernel, moveOf(1n));
    expect(kernel.calls.at(-1)).toBe('connect 1 new source');
  });

  test('stays when the kernel would not have chosen it before, either: its owner has', async () => {
    const kernel = new FakeKernel().add(1n, { local: { address: '10.1.7.7', port: 1 } });
    kernel.route = byPeer;
    await moves(kernel, moveOf(1n));
    expect(kernel.calls).toEqual(['find 1', 'connect 1', 'find 1']);
  });
});
