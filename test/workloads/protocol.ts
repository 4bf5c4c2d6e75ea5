// SPDX-License-Identifier: Apache-2.0
// What a test can ask of a workload process: JSON lines, one request and one answer each, by number. Shared by both ends.
// A failed connection is a result, not an error: failing is what tests look at.

import type { Family } from '../support/address-plan.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What a server says of itself and of the client it sees. */
export interface Greeting {
  readonly name: string;
  readonly client: Endpoint;
  readonly family: Family;
}

/** `refused`, `reset`, `timeout`, or the errno's name. */
export type FailureKind = string;

export interface Exchange {
  readonly failure: FailureKind | null;
  /** getpeername and getsockname while connected. */
  readonly peer: Endpoint | null;
  readonly local: Endpoint | null;
  readonly greeting: Greeting | null;
}

export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly timeoutMs?: number;
}

export interface Datagram {
  readonly failure: FailureKind | null;
  /** The source that recvfrom showed. */
  readonly from: Endpoint | null;
  readonly greeting: Greeting | null;
}

export interface LoadOptions extends Destination {
  readonly concurrency: number;
  /** Stops by itself after so many; otherwise at `load.stop`. */
  readonly requests?: number;
  /** Used in turn. */
  readonly localAddresses?: readonly string[];
  /** Keeps one `LoadSample` per request. */
  readonly samples?: boolean;
}

/** Start and end on the machine's monotonic clock in nanoseconds; name of the backend or kind of the failure. */
export type LoadSample = readonly [start: number, end: number, backend: string | null, failure: FailureKind | null];

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly failures: Readonly<Record<FailureKind, number>>;
  readonly backends: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly elapsedMs: number;
  readonly samples: readonly LoadSample[];
}

export interface TransferResult {
  readonly failure: FailureKind | null;
  readonly bytes: number;
  /** Every byte was the one that its offset asks for. */
  readonly intact: boolean;
  readonly longestStallMs: number;
  readonly backend: string | null;
}

/** One small question over a socket of its own. */
export interface Probe {
  readonly transport: 'TCP' | 'UDP';
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** UDP: a connected socket hears of refusals. */
  readonly connected?: boolean;
  /** By default the next of `probe.ports`, or one that the kernel chooses. */
  readonly sourcePort?: number;
}

export interface Seen {
  readonly failure: FailureKind | null;
  readonly name: string | null;
  /** As the server sees it. */
  readonly client: Endpoint | null;
  /** As the client sees it: the peer, or the sender of the datagram. */
  readonly peer: Endpoint | null;
}

export type Tally = Seen & { readonly times: number };

/** What became of datagrams that were sent one after the other, without a pause, by one connected socket. */
export interface StreamResult {
  readonly sent: number;
  /** Of send() and of what the kernel reported in between. */
  readonly failures: Readonly<Record<FailureKind, number>>;
  readonly answers: Readonly<Record<string, number>>;
}

/** Request and answer of every operation. */
export interface Operations {
  /** `/` answers with a Greeting, `/stream?bytes=&rate=` sends, `/upload` counts. Dual stack unless a host is given. */
  'http.listen': { request: { name: string; port: number; host?: string }; answer: Endpoint };
  'http.get': { request: Destination; answer: Exchange };
  'udp.listen': { request: { name: string; port: number; host?: string }; answer: Endpoint };
  /** A TCP connection that stays open; each exchange is one request on it. */
  'connection.open': { request: Destination; answer: Exchange & { id: number } };
  'connection.exchange': { request: { id: number; timeoutMs?: number }; answer: Exchange };
  'connection.close': { request: { id: number }; answer: null };
  /** A `udp6` socket is dual stack: a v4-mapped destination leaves by it as IPv4. */
  'udp.open': {
    request: { type: 'udp4' | 'udp6'; bind?: string; port?: number };
    answer: { id: number; local: Endpoint };
  };
  'udp.connect': {
    request: { id: number; host: string; port: number };
    answer: { failure: FailureKind | null; peer: Endpoint | null };
  };
  /** Sends and waits for one datagram; without a destination, to the connected peer. */
  'udp.exchange': {
    request: { id: number; host?: string; port?: number; bytes?: number; timeoutMs?: number };
    answer: Datagram;
  };
  /** Sends on a connected socket until it is stopped. */
  'udp.stream': { request: { id: number }; answer: null };
  'udp.stream.stop': { request: { id: number }; answer: StreamResult };
  'udp.local': { request: { id: number }; answer: Endpoint };
  /** Another process has the socket open, too, as after a fork. */
  'udp.share': { request: { id: number }; answer: null };
  'udp.close': { request: { id: number }; answer: null };
  'load.start': { request: LoadOptions; answer: { id: number } };
  /** How many were done so far, without stopping. */
  'load.progress': { request: { id: number }; answer: { requests: number; failed: number } };
  'load.finish': { request: { id: number }; answer: LoadResult };
  'load.stop': { request: { id: number }; answer: LoadResult };
  'download.start': { request: Destination & { bytes: number; rate?: number }; answer: { id: number } };
  'download.progress': { request: { id: number }; answer: { bytes: number } };
  'download.finish': { request: { id: number }; answer: TransferResult };
  upload: { request: Destination & { bytes: number }; answer: TransferResult };
  /** Over TCP and UDP, every question is answered with a Greeting; over UDP by a socket of its own at each of `also`. */
  'greet.listen': { request: { name: string; port: number; also?: readonly string[] }; answer: null };
  /** From now on each question has a port that no other had since the last time around. */
  'probe.ports': { request: { first: number; last: number }; answer: null };
  /** Asks at least and at most so often, until all that are wanted have answered or somebody else did. */
  probe: { request: Probe & { wanted: readonly string[]; least: number; most: number }; answer: readonly Tally[] };
  /** Answered when the question has left; the answer may never come. */
  'probe.open': { request: Omit<Probe, 'timeoutMs'>; answer: { id: number } };
  /** null: nothing was heard yet. */
  'probe.state': { request: { id: number }; answer: Seen | null };
  'probe.answer': { request: { id: number; timeoutMs: number }; answer: Seen };
  'probe.again': { request: { id: number; timeoutMs: number }; answer: Seen };
  /** An echo request by ICMP. */
  ping: { request: { host: string; timeoutMs: number }; answer: 'echo' | 'unreachable' | 'nothing' };
  'probe.close': { request: { id: number }; answer: null };
}

export type Operation = keyof Operations;

export type Handlers<K extends Operation> = {
  readonly [O in K]: (request: Operations[O]['request']) => Promise<Operations[O]['answer']> | Operations[O]['answer'];
};

export type Reply = { readonly id: number; readonly answer: unknown } | { readonly id: number; readonly error: string };
