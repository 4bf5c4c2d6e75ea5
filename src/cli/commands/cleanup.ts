// SPDX-License-Identifier: Apache-2.0
// `bpfsvc cleanup`: takes everything out of the kernel again and says what it was. Goes on past failures and tells all
// of them at the end. Refused while an agent runs: it would have nothing left to write to.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { FINGERPRINT } from '../../abi/fingerprint.gen.ts';
import { SNAT_PORTS } from '../../agent/options.ts';
import { detachClsact } from '../../datapath/devices.ts';
import { releasePorts } from '../../datapath/reserved-ports.ts';
import { addon } from '../../kernel/addon.ts';
import { PinDirectory, pinnedFingerprints, pinPaths, pinRoot } from '../../kernel/pins.ts';
import type { Attachment } from '../../observe/attachments.ts';
import { deviceNames, filterAttachments, linkAttachments } from '../../observe/attachments.ts';
import type { Write } from '../print/document.ts';
import { stdout } from '../stdout.ts';

export function cleanup({ bpffs }: { readonly bpffs: string }): void {
  if (!existsSync(pinRoot(bpffs))) {
    stdout(`nothing to remove: no bpfsvc datapath under ${bpffs}\n`);
    return;
  }
  using pins = PinDirectory.open(bpffs, FINGERPRINT);
  const failures: unknown[] = [];
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      failures.push(error);
    }
  };
  for (const fingerprint of pinnedFingerprints(bpffs)) {
    attempt(() => {
      detachLinks(pinPaths(bpffs, fingerprint).links, linkAttachments(pinPaths(bpffs, fingerprint)), stdout);
    });
  }
  attempt(() => {
    detachFilters(stdout);
  });
  attempt(() => {
    removePins(pins, pinRoot(bpffs), stdout);
  });
  attempt(() => {
    if (!releasePorts(SNAT_PORTS)) return;
    stdout(
      `released ports ${String(SNAT_PORTS.first)}-${String(SNAT_PORTS.last)} (net.ipv4.ip_local_reserved_ports)\n`,
    );
  });
  if (failures.length > 0) throw cannotRemove(failures);
}

// --- internal ---

/** Explicitly, because the kernel takes its time after the last reference is gone. */
function detachLinks(directory: string, attachments: readonly Attachment[], write: Write): void {
  for (const { pin, program, kind, to } of attachments) {
    const link = addon.openPinnedLink(path.join(directory, pin ?? ''));
    try {
      if (kind !== 'detached') link.detach();
    } finally {
      link.close();
    }
    write(`detached program ${program} from ${kind === 'detached' ? to : `${kind} ${to}`}\n`);
  }
}

function detachFilters(write: Write): void {
  const filters = filterAttachments();
  for (const [ifindex] of deviceNames()) detachClsact(ifindex);
  for (const { program, to } of filters) write(`detached program ${program} from device ${to} (clsact)\n`);
}

function removePins(pins: PinDirectory, root: string, write: Write): void {
  for (const pin of pins.removeAll()) write(`removed ${path.relative(root, pin)}\n`);
  write(`removed ${root}\n`);
}

function cannotRemove(failures: readonly unknown[]): Error {
  const reasons = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)));
  return new Error(`not everything is removed: ${reasons.join('; ')}; put that right and run cleanup again`, {
    cause: failures[0],
  });
}
