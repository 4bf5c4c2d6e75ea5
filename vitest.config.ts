// SPDX-License-Identifier: Apache-2.0
// Three projects: unit needs neither root nor the kernel's help; kernel loads programs into it, each file on resources of
// its own; netns builds whole nodes and looks for what was left behind, so its files take turns, after all others.
// Forks everywhere: a fault in native code, or a namespace entered, must stay in one file's process.

import { defineConfig } from 'vitest/config';

// No test waits for the clock. This only ends a run that would hang forever, on a machine however slow; an emulated one is
// slower still, and says so.
const HANG_GUARD_MS = 120_000 * Number(process.env['BPFSVC_PATIENCE'] ?? 1);

// Rows of tables name tests; by default values longer than 40 characters are cut off there. 0: none is.
const WHOLE_TITLES = 0;

const common = {
  environment: 'node',
  pool: 'forks',
  testTimeout: HANG_GUARD_MS,
  hookTimeout: HANG_GUARD_MS,
  taskTitleValueFormatTruncate: WHOLE_TITLES,
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/abi/**/*.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'kernel',
          include: ['test/prog/**/*.test.ts', 'test/addon/**/*.test.ts', 'test/kernels/**/*.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'netns',
          include: ['test/netns/**/*.test.ts', 'test/semantics/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
