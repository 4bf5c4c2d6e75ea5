// SPDX-License-Identifier: Apache-2.0
// The datapath as it is pinned, opened without the agent: how commands see what runs. Reads only; takes no lock, so an
// agent may start, stop or clean up meanwhile.

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { FINGERPRINT } from '../abi/fingerprint.gen.ts';
import { BpfLbMaps } from '../datapath/bpf-lb-maps.ts';
import type { MapSet } from '../datapath/map-set.ts';
import { closeMaps, openMaps } from '../datapath/map-set.ts';
import { segmentPinName, SlotSegments } from '../datapath/slot-segments.ts';
import { addon } from '../kernel/addon.ts';
import { pinnedFingerprints, pinPaths } from '../kernel/pins.ts';
import type { PinPaths } from '../kernel/pins.ts';

/** There is none, or one of another layout. */
export class DatapathNotFound extends Error {
  override readonly name = 'DatapathNotFound';
}

export interface FoundDatapath {
  readonly fingerprint: string;
  readonly paths: PinPaths;
  /** Fingerprints of further layouts that are pinned there: left by another version. */
  readonly others: readonly string[];
}

/** The one that this program can read. Throws DatapathNotFound. */
export function findDatapath(bpffs: string): FoundDatapath {
  const fingerprints = requireAny(bpffs);
  if (!fingerprints.includes(FINGERPRINT)) {
    throw new DatapathNotFound(
      `the datapath under ${bpffs} has the layout ${fingerprints.join(', ')}, this bpfsvc knows ${FINGERPRINT}; ` +
        'use the bpfsvc that made it, start `bpfsvc run` of this one, or look at the bytes: bpfsvc maps dump --raw',
    );
  }
  return found(bpffs, FINGERPRINT, fingerprints);
}

/** This program's if there is one, or else another, whose bytes only can be shown. Throws DatapathNotFound. */
export function findAnyDatapath(bpffs: string): FoundDatapath {
  const fingerprints = requireAny(bpffs);
  return found(bpffs, fingerprints.includes(FINGERPRINT) ? FINGERPRINT : (fingerprints[0] ?? ''), fingerprints);
}

/** Names of the pinned maps, slot segments among them, in order. */
export function pinnedMaps({ paths }: FoundDatapath): string[] {
  return readdirSync(paths.maps).sort(new Intl.Collator('en', { numeric: true }).compare);
}

/** Its maps, open. */
export class PinnedDatapath implements Disposable {
  readonly found: FoundDatapath;
  readonly maps: MapSet;
  readonly lb: BpfLbMaps;

  constructor(of: FoundDatapath) {
    this.found = of;
    this.maps = openMaps((name) => addon.openPinnedMap(path.join(of.paths.maps, name)));
    const pin = (index: number): string => path.join(of.paths.maps, segmentPinName(index));
    let segments = 0;
    while (existsSync(pin(segments))) segments++;
    this.lb = new BpfLbMaps(this.maps, new SlotSegments(this.maps.slots, pin, segments));
  }

  [Symbol.dispose](): void {
    this.lb.close();
    closeMaps(this.maps);
  }
}

// --- internal ---

function requireAny(bpffs: string): string[] {
  const fingerprints = pinnedFingerprints(bpffs);
  if (fingerprints.length > 0) return fingerprints;
  throw new DatapathNotFound(`no bpfsvc datapath under ${bpffs}; is \`bpfsvc run\` started with this --bpffs?`);
}

function found(bpffs: string, fingerprint: string, all: readonly string[]): FoundDatapath {
  return { fingerprint, paths: pinPaths(bpffs, fingerprint), others: all.filter((name) => name !== fingerprint) };
}
