// SPDX-License-Identifier: Apache-2.0
// node tools/kernels/main.ts --kernel NAME [--shell | --run COMMAND]
// Boots a kernel of test/kernels/matrix.yaml in a VM with the product as built here.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findAccelerator } from './accelerator.ts';
import { kernelComplaints, tail } from './console.ts';
import { HarnessError } from './errors.ts';
import { rootImage } from './image.ts';
import { debianKernel } from './kernel.ts';
import { type Matrix, parseMatrix } from './matrix.ts';
import { cacheDirectory, TEST_DIRECTORY, WORK_DIRECTORY } from './paths.ts';
import { boot } from './vm.ts';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kernel: { type: 'string' },
      shell: { type: 'boolean', default: false },
      run: { type: 'string' },
      limit: { type: 'string' },
      cpus: { type: 'string', default: '2' },
      memory: { type: 'string', default: '2048' },
      append: { type: 'string', default: '' },
    },
  });
  const file = path.join(TEST_DIRECTORY, 'matrix.yaml');
  const matrix = parseMatrix(await readFile(file, 'utf8'), file);
  const name = values.kernel ?? '';
  const cache = cacheDirectory();
  const kernel = await kernelOf(matrix, name, cache);
  const directory = path.join(WORK_DIRECTORY, 'runs', `${name}-${process.pid}`);
  const ended = await boot({
    kernel,
    machine: {
      accelerator: await findAccelerator(kernel, cache),
      cpus: Number(values.cpus),
      memoryMiB: Number(values.memory),
      append: values.append,
    },
    root: await rootImage(),
    script: values.run,
    cgroup: 2,
    directory,
    limitSeconds: values.limit === undefined ? undefined : Number(values.limit),
  });
  const complaints = kernelComplaints(ended.console);
  if (ended.status !== undefined && complaints.length === 0) return ended.status;
  console.error(tail(ended.console, 40));
  for (const line of complaints) console.error(`kernel: ${line}`);
  console.error(`kernels: ${ended.timedOut ? 'out of time' : 'failed'}; the console's log: ${directory}/console.log`);
  return 1;
}

async function kernelOf(
  matrix: Matrix,
  name: string,
  cache: string,
): Promise<Awaited<ReturnType<typeof debianKernel>>> {
  const wanted = matrix.kernels[name];
  if (wanted !== undefined) return debianKernel(wanted.debian, wanted.series, cache);
  throw new HarnessError(`no kernel ${name}: the matrix has ${Object.keys(matrix.kernels).join(', ')}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof HarnessError)) throw error;
  console.error(`kernels: ${error.message}`);
  process.exitCode = 1;
}
