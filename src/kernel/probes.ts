// SPDX-License-Identifier: Apache-2.0
// The tiny programs and maps that features.ts tries on the kernel, each answering one question. Probes never look at
// the kernel's version: distributions carry features back, and builds leave them out.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { addon } from './addon.ts';
import { ATTACH_TYPE, MAP_FLAG, MAP_TYPE, PROGRAM_TYPE } from './constants.ts';

/** Numbers of enum bpf_func_id, which never change. */
export const HELPER = {
  skStorageGet: 107,
  probeReadKernel: 113,
  getNetnsCookie: 122,
  redirectNeigh: 152,
  redirectPeer: 155,
  ktimeGetCoarseNs: 160,
  checkMtu: 163,
  setRetval: 187,
} as const;

/** `r0 = 1; exit`: what every program type used here may return. */
const RETURN_ONE = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

/** No interface ever has this number. */
const NO_INTERFACE = 0x7fffffff;
const NO_DESCRIPTOR = -1;

export function helperInTc(helper: number): boolean {
  return addon.probeHelper(PROGRAM_TYPE.SCHED_CLS, helper);
}

export function helperInConnect(helper: number): boolean {
  return addon.probeHelper(PROGRAM_TYPE.CGROUP_SOCK_ADDR, helper, ATTACH_TYPE.CGROUP_INET4_CONNECT);
}

/** The kernel checks at load that it knows the hook a program is for. */
export function hookExists(type: number, expectedAttachType: number): boolean {
  return addon.probeProgram({ type, expectedAttachType, instructions: RETURN_ONE }).ok;
}

/** False: no program of the commonest type; throws EPERM where none may be loaded. */
export function loads(): boolean {
  return addon.probeProgram({ type: PROGRAM_TYPE.SCHED_CLS, instructions: RETURN_ONE }).ok;
}

export function isJited(): boolean {
  return addon.probeProgram({ type: PROGRAM_TYPE.SCHED_CLS, instructions: RETURN_ONE }).jited;
}

/** A kernel that knows tcx looks for the interface; another one stops before, at the attach type. */
export function hasTcx(): boolean {
  const program = { type: PROGRAM_TYPE.SCHED_CLS, instructions: RETURN_ONE };
  return addon.probeLink(program, ATTACH_TYPE.TCX_INGRESS, NO_INTERFACE) === 'ENODEV';
}

/** Empty: filters can be attached. Their kernel modules are loaded by this, where they are modules. */
export function clsactError(): string {
  return addon.probeClsact({ type: PROGRAM_TYPE.SCHED_CLS, instructions: RETURN_ONE });
}

/** As with tcx: the descriptor is looked at only where links to cgroups exist. */
export function hasCgroupLinks(): boolean {
  const expectedAttachType = ATTACH_TYPE.CGROUP_INET4_CONNECT;
  const program = { type: PROGRAM_TYPE.CGROUP_SOCK_ADDR, expectedAttachType, instructions: RETURN_ONE };
  return addon.probeLink(program, expectedAttachType, NO_DESCRIPTOR) === 'EBADF';
}

/** XDP says EINVAL to a missing interface too, so it is attached, in a namespace that exists for this alone. */
export function hasXdpLinks(): boolean {
  const program = { type: PROGRAM_TYPE.XDP, expectedAttachType: ATTACH_TYPE.XDP, instructions: RETURN_ONE };
  return addon.probeLink(program, ATTACH_TYPE.XDP, 'loopback') === '';
}

/** INET_DIAG_NOCOOKIE: whatever socket has these addresses. */
const ANY_COOKIE = 0xffff_ffff_ffff_ffffn;

/** Ends a socket made for this. Empty: it worked; otherwise the errno's name. */
export async function sockDiagDestroyError(): Promise<string> {
  const socket = createSocket('udp4');
  try {
    await once(socket.bind(0, '127.0.0.1'), 'listening');
    const own = socket.address();
    socket.connect(own.port, own.address);
    await once(socket, 'connect');
    // It may hear that it has been ended.
    socket.on('error', () => undefined);
    const doomed = {
      cookie: ANY_COOKIE,
      family: 4,
      local: own,
      peer: own,
      ifindex: 0,
      netns: '/proc/self/ns/net',
    } as const;
    return (await addon.destroyUdpSockets([doomed])).join();
  } finally {
    socket.close();
  }
}

const PROBE_ARRAY = {
  type: MAP_TYPE.ARRAY,
  name: 'bpfsvc_probe',
  keySize: 4,
  valueSize: 64,
  maxEntries: 64,
  flags: MAP_FLAG.MMAPABLE,
};

export function hasMmapableArrays(): boolean {
  return succeeds(() => {
    const map = addon.createMap(PROBE_ARRAY);
    try {
      map.munmap(map.mmap(0, 4096));
    } finally {
      map.close();
    }
  });
}

export function hasMmapableInnerArrays(): boolean {
  return succeeds(() => {
    const innerMap = addon.createMap(PROBE_ARRAY);
    try {
      const outer = addon.createMap({ ...PROBE_ARRAY, type: MAP_TYPE.ARRAY_OF_MAPS, valueSize: 4, flags: 0, innerMap });
      try {
        outer.setInner(new Uint8Array(4), innerMap);
      } finally {
        outer.close();
      }
    } finally {
      innerMap.close();
    }
  });
}

export function hasBatchOperations(): boolean {
  return succeeds(() => {
    const map = addon.createMap({ ...PROBE_ARRAY, type: MAP_TYPE.HASH, flags: 0 });
    try {
      map.updateBatch(new Uint8Array(4), new Uint8Array(64), 1);
      map.lookupBatch(undefined, 1);
      map.deleteBatch(new Uint8Array(4), 1);
    } finally {
      map.close();
    }
  });
}

/** What a kernel says to what it does not know; any other failure says nothing about it. */
const REFUSALS: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUPP', 'EOPNOTSUPP', 'ENODEV']);

function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && REFUSALS.has(error.code)) return false;
    throw error;
  }
}
