// SPDX-License-Identifier: Apache-2.0
// Moves connected UDP sockets of other processes to another peer: takes each and connects it again, so that the hooks of
// its own cgroup and network namespace choose anew; ends it where it may not be taken. Knows no map and no Service.

/** Addresses are canonical; IPv4 also where an IPv6 socket carries it v4-mapped. */
export interface UdpEndpoint {
  readonly address: string;
  readonly port: number;
}

export interface SocketHolder {
  readonly pid: number;
  readonly fd: number;
}

export interface FoundUdpSocket {
  readonly cookie: bigint;
  /** Of the socket. */
  readonly family: 4 | 6;
  readonly local: UdpEndpoint;
  /** Whom it really talks to. Absent: it is not connected. */
  readonly peer?: UdpEndpoint;
  /** What a new socket would send from to this peer. Absent: no route. */
  readonly source?: string;
  /** Of the device that it is bound to; 0: none. */
  readonly ifindex: number;
  /** A path of its network namespace. */
  readonly netns: string;
  /** Absent: no process that this one may look at has it open. */
  readonly holder?: SocketHolder;
}

export interface UdpSearch {
  readonly sockets: readonly FoundUdpSocket[];
  readonly hiddenNamespaces: number;
  /** Errno's name of the last of them. */
  readonly hiddenReason: string;
}

export interface Reconnection {
  readonly cookie: bigint;
  readonly holder: SocketHolder;
  /** What getpeername may say before. */
  readonly from: readonly UdpEndpoint[];
  readonly to: UdpEndpoint;
  /** Choose its source address anew, unless its owner has bound it; this peer again if the new one refuses. */
  readonly newSourceElse?: UdpEndpoint;
}

export interface ReconnectResult {
  readonly outcome: 'done' | 'gone' | 'elsewhere' | 'denied' | 'refused';
  /** Errno's name, or ''. */
  readonly code: string;
}

/** The part of the addon that is needed here. All work on threads of their own. */
export interface UdpSocketCalls {
  /** directories: where network namespaces are mounted that may have no process. */
  findUdpSockets(cookies: BigUint64Array, directories: readonly string[]): Promise<UdpSearch>;
  reconnectUdpSockets(sockets: readonly Reconnection[]): Promise<ReconnectResult[]>;
  /** Errnos' names, '' where it was ended. */
  destroyUdpSockets(sockets: readonly FoundUdpSocket[]): Promise<string[]>;
}

export interface UdpMove {
  readonly cookie: bigint;
  /** Whom it must not talk to any more. */
  readonly from: UdpEndpoint;
  /** What its owner asked for. */
  readonly to: UdpEndpoint;
  /** End it if it cannot be taken: there is somebody else to talk to. */
  readonly mayEnd: boolean;
}

/**
 * `elsewhere`: its owner has connected it to something else, it is not concerned. `refused`: nobody is there now, it is
 * as it was. `unseen`: in no network namespace that this process can look into, or without a peer.
 */
export interface UdpMoveResult {
  readonly outcome: 'moved' | 'elsewhere' | 'refused' | 'ended' | 'unseen' | 'failed';
  /** Why it was refused, ended or failed: an errno's name, or words; may be empty. */
  readonly code: string;
}

/** A descriptor may be closed, and the socket live on in another, between looking and taking. */
const ATTEMPTS = 3;

const NETNS_DIRECTORIES = ['/run/netns', '/run/docker/netns'];

export class UdpSocketMover {
  readonly #calls: UdpSocketCalls;
  readonly #directories: readonly string[];

  constructor(calls: UdpSocketCalls, directories = NETNS_DIRECTORIES) {
    this.#calls = calls;
    this.#directories = directories;
  }

  /** One result for each move. */
  async move(moves: readonly UdpMove[]): Promise<UdpMoveResult[]> {
    const round = new Round(new Map(moves.map((move) => [move.cookie, move])));
    for (let attempt = 0; attempt < ATTEMPTS && round.open.size > 0; attempt++) await this.#attempt(round);
    await this.#end(round);
    return moves.map(({ cookie }) => round.results.get(cookie) ?? { outcome: 'failed', code: '' });
  }

  async #attempt(round: Round): Promise<void> {
    const before = round.check(await this.#find([...round.open.keys()]));
    const taken = before.flatMap(({ socket, move }) => {
      if (socket.holder === undefined) {
        round.reasons.set(socket.cookie, 'no owner found');
        return [];
      }
      return [{ cookie: socket.cookie, holder: socket.holder, from: [move.to, move.from], to: move.to }];
    });
    const done = round.reconnected(taken, await this.#reconnect(taken));
    if (done.length === 0) return;
    const sources = new Map(before.map(({ socket }) => [socket.cookie, socket]));
    const after = await this.#find(done);
    await this.#reconnect(
      round.verify(done, after).flatMap((socket) => withNewSource(sources.get(socket.cookie), socket, round)),
    );
  }

  /** What could not be taken. */
  async #end(round: Round): Promise<void> {
    const doomed = [...round.untaken.values()].filter(({ cookie }) => round.moves.get(cookie)?.mayEnd === true);
    const codes = doomed.length === 0 ? [] : await this.#calls.destroyUdpSockets(doomed);
    for (const [i, { cookie }] of doomed.entries()) {
      const failed = codes[i] ?? '';
      if (failed === '') round.settle(cookie, 'ended', round.reasons.get(cookie));
      else round.settle(cookie, 'failed', failed);
    }
    for (const cookie of round.open.keys()) round.settle(cookie, 'failed', round.reasons.get(cookie));
  }

  async #find(cookies: readonly bigint[]): Promise<readonly FoundUdpSocket[]> {
    return (await this.#calls.findUdpSockets(BigUint64Array.from(cookies), this.#directories)).sockets;
  }

  async #reconnect(sockets: readonly Reconnection[]): Promise<ReconnectResult[]> {
    return sockets.length === 0 ? [] : this.#calls.reconnectUdpSockets(sockets);
  }
}

/** Why this kernel, or a filter, does not let this process take even a descriptor of its own: errno's name, or ''. */
export async function whyNotTaken(calls: Pick<UdpSocketCalls, 'reconnectUdpSockets'>): Promise<string> {
  const nobody: UdpEndpoint = { address: '0.0.0.0', port: 0 };
  const [result] = await calls.reconnectUdpSockets([
    { cookie: NO_COOKIE, holder: { pid: process.pid, fd: 0 }, from: [], to: nobody },
  ]);
  return result?.outcome === 'denied' ? result.code : '';
}

// --- internal ---

/** Cookies count from 1. */
const NO_COOKIE = 0n;

/** What is known of the sockets of one call. */
class Round {
  readonly moves: ReadonlyMap<bigint, UdpMove>;
  /** Without a result. */
  readonly open: Map<bigint, UdpMove>;
  readonly results = new Map<bigint, UdpMoveResult>();
  /** Found, and not to be taken: as they were seen last. */
  readonly untaken = new Map<bigint, FoundUdpSocket>();
  readonly reasons = new Map<bigint, string>();

  constructor(moves: ReadonlyMap<bigint, UdpMove>) {
    this.moves = moves;
    this.open = new Map(moves);
  }

  settle(cookie: bigint, outcome: UdpMoveResult['outcome'], code = ''): void {
    this.open.delete(cookie);
    this.untaken.delete(cookie);
    this.results.set(cookie, { outcome, code });
  }

  /** Those that still talk to whom they should not. */
  check(found: readonly FoundUdpSocket[]): { socket: FoundUdpSocket; move: UdpMove }[] {
    const seen = new Set(found.map(({ cookie }) => cookie));
    for (const cookie of [...this.open.keys()]) if (!seen.has(cookie)) this.settle(cookie, 'unseen');
    return found.flatMap((socket) => {
      const move = this.open.get(socket.cookie);
      if (move === undefined) return [];
      const { peer } = socket;
      if (peer === undefined || !(same(peer, move.from) || same(peer, move.to))) {
        this.settle(socket.cookie, 'elsewhere');
        return [];
      }
      this.untaken.set(socket.cookie, socket);
      return [{ socket, move }];
    });
  }

  /** Those that were connected. */
  reconnected(taken: readonly Reconnection[], results: readonly ReconnectResult[]): bigint[] {
    return taken.flatMap(({ cookie }, i) => {
      const { outcome, code } = results[i] ?? { outcome: 'gone', code: '' };
      if (outcome === 'done') return [cookie];
      if (outcome === 'elsewhere' || outcome === 'refused') this.settle(cookie, outcome, code);
      else this.reasons.set(cookie, code);
      return [];
    });
  }

  /** What was connected and is no longer with its old peer; the rest stays open. */
  verify(done: readonly bigint[], after: readonly FoundUdpSocket[]): readonly FoundUdpSocket[] {
    const seen = new Map(after.map((socket) => [socket.cookie, socket]));
    return done.flatMap((cookie) => {
      const socket = seen.get(cookie);
      const from = this.moves.get(cookie)?.from;
      if (socket?.peer !== undefined && from !== undefined && same(socket.peer, from)) return [];
      // Not there any more: its owner has closed it.
      this.settle(cookie, 'moved');
      return socket === undefined ? [] : [socket];
    });
  }
}

/** The kernel keeps the source that it chose for the old peer, which another route may not take. */
function withNewSource(before: FoundUdpSocket | undefined, after: FoundUdpSocket, round: Round): Reconnection[] {
  const { cookie, holder, peer, source } = after;
  const move = round.moves.get(cookie);
  if (move === undefined || holder === undefined || peer === undefined || source === undefined) return [];
  if (after.local.address === source) return [];
  // An address that the kernel would not have chosen before, either, is its owner's choice.
  if (before?.source !== undefined && before.local.address !== before.source) return [];
  return [{ cookie, holder, from: [move.to, peer], to: move.to, newSourceElse: peer }];
}

function same(a: UdpEndpoint, b: UdpEndpoint): boolean {
  return a.port === b.port && a.address === b.address;
}
