// SPDX-License-Identifier: Apache-2.0
// The small BPF programs of tests, compiled here: a VM has no compiler, and would take its time.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { compileTestObjects } from '../../test/support/bpf-object.ts';
import { WORK_DIRECTORY } from './paths.ts';

/** The directory that TestObject looks into where BPFSVC_TEST_OBJECTS names it. */
export async function testObjects(): Promise<string> {
  const directory = path.join(WORK_DIRECTORY, 'objects');
  await mkdir(directory, { recursive: true });
  await compileTestObjects(directory);
  return directory;
}
