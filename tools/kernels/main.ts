// SPDX-License-Identifier: Apache-2.0
// Boots kernels of test/kernels/matrix.yaml in VMs, with the product as built here.
//
//   node tools/kernels/main.ts [KERNEL...] [--suite NAME]...   suites on kernels; without arguments all on all
//   node tools/kernels/main.ts KERNEL --run COMMAND            one command in bash; its output, its exit status
//   node tools/kernels/main.ts KERNEL --shell                  a prompt
//   --image VMLINUZ [--modules DIR]    with --run or --shell: your own kernel, and its /lib/modules/RELEASE
//   --boot NAME, --cpus N, --memory MIB, --append 'WORDS'      with --run or --shell: another machine
//   --doc FILE                         with suites: writes what is known of all kernels (docs/kernels.md)
//   --brief                            less of each suite, as the matrix says: two kernels in a quarter of an hour
//   --fetch                            only brings the kernels, and says what is in the way
//   --record                           the suite load alone; what it counts becomes the record, however much it has grown
//   --jobs N (2), --patience FACTOR (1), --limit SECONDS       VMs at a time; longer limits; of one command

import { parseArgs } from 'node:util';
import { HarnessError } from './errors.ts';
import { Session } from './session.ts';
import { testKernels } from './test.ts';
import { tryKernel } from './try.ts';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: 'string', multiple: true, default: [] },
      suite: { type: 'string', multiple: true, default: [] },
      run: { type: 'string' },
      shell: { type: 'boolean', default: false },
      image: { type: 'string' },
      modules: { type: 'string' },
      boot: { type: 'string', default: 'usual' },
      cpus: { type: 'string' },
      memory: { type: 'string' },
      append: { type: 'string' },
      doc: { type: 'string' },
      record: { type: 'boolean', default: false },
      brief: { type: 'boolean', default: false },
      fetch: { type: 'boolean', default: false },
      jobs: { type: 'string', default: '2' },
      patience: { type: 'string', default: '1' },
      limit: { type: 'string' },
    },
  });
  const kernels = [...positionals, ...values.kernel];
  const session = await Session.open();
  if (values.fetch) {
    await session.fetch(kernels);
    return 0;
  }
  if (values.run === undefined && !values.shell) {
    const { jobs, patience, doc: document, brief, record } = values;
    const suites = record ? ['load'] : values.suite;
    const limits = { jobs: numberOf(jobs), patience: numberOf(patience) };
    return testKernels(session, { kernels, suites, ...limits, document, brief, record });
  }
  if (kernels.length > 1) throw new HarnessError(`one kernel at a time: ${kernels.join(' ')}`);
  const { cpus, memory, append, limit, run: command } = values;
  const profile = session.profile(values.boot);
  const tried = await tryKernel(session, {
    kernel: kernels[0] ?? 'newest',
    image: values.image,
    modules: values.modules,
    named: true,
    profile: {
      ...profile,
      ...(cpus === undefined ? {} : { cpus: numberOf(cpus) }),
      ...(memory === undefined ? {} : { memory: numberOf(memory) }),
      ...(append === undefined ? {} : { append }),
    },
    command,
    limitSeconds: limit === undefined ? undefined : numberOf(limit),
  });
  return tried.status;
}

function numberOf(text: string): number {
  const number = Number(text);
  if (number > 0) return number;
  throw new HarnessError(`'${text}' is no number greater than 0`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof HarnessError)) throw error;
  console.error(`kernels: ${error.message}`);
  process.exitCode = 1;
}
