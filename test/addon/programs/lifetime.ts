// SPDX-License-Identifier: Apache-2.0
// Run by lifetime.test.ts with --expose-gc: makes handles that nobody closes, forgets them, collects. Prints how many
// descriptors and mappings of BPF there were before, while they were held, and at last.

import { addon } from '../../../src/kernel/addon.ts';
import { bpfDescriptors, bpfMappings } from '../../support/kernel.ts';
import { waitFor } from '../../support/wait.ts';

const COUNT = 200;
const [file = ''] = process.argv.slice(2);

function count(): number[] {
  return [bpfDescriptors().size, bpfMappings()];
}

function make(): unknown[] {
  const object = addon.openObject(file);
  object.load();
  const map = object.map('words');
  return Array.from({ length: COUNT }, () => [
    addon.openMapById(map.info().id),
    object.program('read_word'),
    map.mmap(0, 8192),
    object,
  ]);
}

function hold(): number[] {
  const held = make();
  const counts = count();
  held.length = 0;
  return counts;
}

const before = count();
const during = hold();
await waitFor('everything to be collected', () => {
  globalThis.gc?.();
  return String(count()) === String(before);
});
process.stdout.write(JSON.stringify({ before, during, after: count() }));
