// SPDX-License-Identifier: Apache-2.0
// The addon's contract, as TypeScript sees it. Every method throws KernelError; close() may be called twice, anything
// else after it has code ECLOSED. Lengths are checked against the map in native code.

import type { ObjectLayout } from './layout.ts';
import type { Netlink } from './netlink.ts';
import type { UdpSocketCalls } from './udp-sockets.ts';

export interface NativeAddon extends Netlink, UdpSocketCalls {
  setErrorClass(constructor: unknown): void;
  versions(): { readonly libbpf: string };
  possibleCpus(): number;

  openObject(path: string): NativeObject;
  /** Needs neither root nor a load. */
  objectLayout(path: string): ObjectLayout;

  createMap(spec: MapSpec): NativeMap;
  openPinnedMap(path: string): NativeMap;
  openMapById(id: number): NativeMap;
  openPinnedProgram(path: string): NativeProgram;
  openProgramById(id: number): NativeProgram;
  openPinnedLink(path: string): NativeLink;

  attachCgroup(program: NativeProgram, cgroup: string, attachType: number): NativeLink;
  attachTcx(program: NativeProgram, ifindex: number, attachType: number): NativeLink;
  attachXdp(program: NativeProgram, ifindex: number, flags: number): NativeLink;
  /** Ids of the programs in effect there. */
  queryCgroup(cgroup: string, attachType: number): number[];

  /** Makes the qdisc; replaces a filter of this handle and priority. */
  attachClsact(program: NativeProgram, ifindex: number, direction: Direction, handle: number, priority: number): void;
  /** False: there was none. */
  detachClsact(ifindex: number, direction: Direction, handle: number, priority: number): boolean;
  queryClsact(ifindex: number, direction: Direction, handle: number, priority: number): number | undefined;

  /** Records arrive in batches on the event loop, copied; what a slow reader misses is counted. */
  openRingBuffer(map: NativeMap, onRecords: (records: Uint8Array[]) => void): NativeRingBuffer;

  probeProgramType(type: number): boolean;
  probeMapType(type: number): boolean;
  probeHelper(programType: number, helper: number, expectedAttachType?: number): boolean;
  probeProgram(spec: ProgramSpec): { readonly ok: boolean; readonly jited: boolean; readonly log: string };
  /** The errno's name; '' where it succeeded. 'loopback': of a network namespace made for this. */
  probeLink(program: ProgramSpec, attachType: number, to: number | 'loopback'): string;
  /** As probeLink, for a filter of a clsact qdisc on a loopback interface made for this. */
  probeClsact(program: ProgramSpec): string;
  /** What bounds the memory of maps: the cgroup, or the limit on locked memory, which this process may raise or not. */
  probeMapMemory(): 'cgroup' | 'limit' | 'fixed';
  /** False also where the kernel has no BTF: then no program can call it. */
  kernelHasFunction(name: string): boolean;

  rcuBarrier(): Promise<void>;
  netnsCookie(path?: string): bigint | undefined;
  flock(fd: number, exclusive: boolean): boolean;
  mountBpffs(path: string): void;
}

export type Direction = 'ingress' | 'egress';

export interface MapSpec {
  readonly type: number;
  /** At most 15 bytes. */
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly innerMap?: NativeMap;
}

export interface ProgramSpec {
  readonly type: number;
  readonly expectedAttachType?: number;
  /** struct bpf_insn, 8 bytes each. */
  readonly instructions: Uint8Array;
}

export interface NativeObject {
  maps(): { name: string; type: number; keySize: number; valueSize: number; maxEntries: number; flags: number }[];
  programs(): { name: string; section: string; type: number; expectedAttachType: number }[];
  /** Before load; the size must be the variable's. */
  setVariable(name: string, bytes: Uint8Array): void;
  setMaxEntries(map: string, entries: number): void;
  /** Uses an existing map instead of making one; every difference is named. */
  reuseMap(map: string, existing: NativeMap): void;
  setAutoload(program: string, on: boolean): void;
  /** On failure the verifier's log is in the error, its last useful line in the message. */
  load(): void;
  /** As load(), but for a log; returns how many instructions the verifier has gone through for each program. */
  load(count: true): Record<string, number>;
  /** Descriptors of their own, which outlive the object. */
  map(name: string): NativeMap;
  program(name: string): NativeProgram;
  close(): void;
}

export interface MapInfo {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Bytes of kernel memory, as the kernel reckons. */
  readonly memlock: number;
}

export interface MapBatch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
  /** For the next call; undefined: this was the last. */
  readonly cursor: Uint8Array | undefined;
}

export interface NativeMap {
  readonly fd: number;
  info(): MapInfo;
  /** Per-CPU maps: one value a possible CPU, each rounded up to 8 bytes. */
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array, flags?: number): void;
  setInner(key: Uint8Array, inner: NativeMap): void;
  /** False: it was not there. */
  delete(key: Uint8Array): boolean;
  nextKey(key: Uint8Array | undefined): Uint8Array | undefined;
  lookupBatch(cursor: Uint8Array | undefined, count: number): MapBatch;
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void;
  /** How many were there. */
  deleteBatch(keys: Uint8Array, count: number): number;
  /** Shared with the kernel; offset in bytes, a multiple of the page size. */
  mmap(offset: number, length: number): ArrayBuffer;
  /** Detaches the buffer. */
  munmap(buffer: ArrayBuffer): void;
  freeze(): void;
  pin(path: string): void;
  close(): void;
}

export interface NativeProgram {
  readonly fd: number;
  info(): {
    readonly id: number;
    readonly name: string;
    readonly type: number;
    readonly tag: string;
    readonly verifiedInstructions: number;
    /** Milliseconds since 1970. */
    readonly loadedAt: number;
    readonly mapIds: number[];
    readonly runCount: bigint;
    readonly runTimeNs: bigint;
  };
  testRun(options: {
    readonly data: Uint8Array;
    readonly context?: Uint8Array;
    readonly repeat?: number;
    readonly dataOutSize?: number;
  }): { readonly retval: number; readonly data: Uint8Array; readonly context: Uint8Array; readonly durationNs: number };
  pin(path: string): void;
  close(): void;
}

export interface NativeLink {
  info(): {
    readonly id: number;
    readonly type: number;
    readonly programId: number;
    readonly ifindex?: number;
    readonly cgroupId?: bigint;
    readonly attachType?: number;
  };
  /** The new program takes the old one's place in one step. */
  update(program: NativeProgram): void;
  pin(path: string): void;
  detach(): void;
  close(): void;
}

export interface NativeRingBuffer {
  dropped(): number;
  close(): void;
}
