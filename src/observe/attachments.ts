// SPDX-License-Identifier: Apache-2.0
// Where the programs are attached, as their pinned links and the devices tell.

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { clsactProgram } from '../datapath/devices.ts';
import { addon } from '../kernel/addon.ts';
import { findCgroup2 } from '../kernel/mounts.ts';
import type { PinPaths } from '../kernel/pins.ts';

export interface Attachment {
  /** Of the program. */
  readonly program: string;
  readonly programId: number;
  /** `clsact`: a filter, which no link holds. */
  readonly by: 'link' | 'clsact';
  /** Pin of the link. */
  readonly pin: string | null;
  readonly kind: 'cgroup' | 'device' | 'detached';
  /** Path of a cgroup or name of a device; where it cannot be seen from here, its number. */
  readonly to: string;
}

/** Of links and filters. Devices are those of this process's network namespace. */
export function findAttachments(paths: PinPaths): Attachment[] {
  return [...linkAttachments(paths), ...filterAttachments()];
}

export function linkAttachments(paths: PinPaths): Attachment[] {
  const devices = deviceNames();
  const pins = readdirSync(paths.links).sort();
  const links = pins.map((pin) => readLink(paths, pin, devices));
  const cgroups = findCgroups(new Set(links.flatMap(({ cgroupId }) => cgroupId ?? [])));
  return links.map(({ cgroupId, ...link }) => ({
    ...link,
    to: cgroupId === undefined ? link.to : (cgroups.get(cgroupId) ?? `cgroup ${String(cgroupId)}`),
  }));
}

/** Filters of bpfsvc, where the kernel has no links to devices. */
export function filterAttachments(): Attachment[] {
  return [...deviceNames()].flatMap(([ifindex, name]) =>
    (['ingress', 'egress'] as const).flatMap((direction): Attachment[] => {
      const programId = clsactProgram(ifindex, direction);
      if (programId === undefined) return [];
      return [{ program: programName(programId), programId, by: 'clsact', pin: null, kind: 'device', to: name }];
    }),
  );
}

export function deviceNames(): Map<number, string> {
  const links = addon.netlinkDump('link');
  return new Map(links.flatMap((link) => (link.kind === 'link' ? [[link.ifindex, link.name] as const] : [])));
}

// --- internal ---

type Link = Attachment & { readonly cgroupId: bigint | undefined };

function readLink(paths: PinPaths, pin: string, devices: ReadonlyMap<number, string>): Link {
  const link = addon.openPinnedLink(path.join(paths.links, pin));
  try {
    const { programId, ifindex, cgroupId } = link.info();
    const common = {
      program: programName(programId),
      programId,
      by: 'link',
      pin,
      cgroupId: cgroupId === 0n ? undefined : cgroupId,
    } as const;
    if (common.cgroupId !== undefined) return { ...common, kind: 'cgroup', to: '' };
    if (ifindex !== undefined && ifindex !== 0)
      return { ...common, kind: 'device', to: devices.get(ifindex) ?? `device ${String(ifindex)}` };
    // The kernel lets go when the cgroup or device is removed; the agent clears the pin away.
    return { ...common, kind: 'detached', to: 'nothing' };
  } finally {
    link.close();
  }
}

function programName(id: number): string {
  const program = addon.openProgramById(id);
  try {
    return program.info().name;
  } finally {
    program.close();
  }
}

/** A cgroup's id is its directory's inode number. */
function findCgroups(wanted: ReadonlySet<bigint>): Map<bigint, string> {
  const found = new Map<bigint, string>();
  const root = findCgroup2();
  const queue = root === undefined ? [] : [root];
  for (let directory = queue.shift(); directory !== undefined && found.size < wanted.size; directory = queue.shift()) {
    const ino = statSync(directory, { bigint: true, throwIfNoEntry: false })?.ino;
    if (ino === undefined) continue;
    if (wanted.has(ino)) found.set(ino, directory);
    queue.push(...subdirectories(directory));
  }
  return found;
}

/** Cgroups come and go while this looks. */
function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [path.join(directory, entry.name)] : [],
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
