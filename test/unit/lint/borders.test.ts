// SPDX-License-Identifier: Apache-2.0
// The project's shape is in eslint.config.js; here stands for each of its rules one line of code that breaks it and one
// that does not. Type-aware rules are left out: the files need not exist.

import { readdirSync } from 'node:fs';

import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

const eslint = new ESLint({
  ruleFilter: ({ ruleId }) => ruleId.startsWith('no-restricted-'),
  overrideConfig: { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false } } },
});

async function complaints(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: file });
  const messages = result?.messages ?? [];
  const broken = messages.find((message) => message.fatal === true);
  if (broken !== undefined) throw new Error(`${file}: ${broken.message}`);
  return messages.map((message) => message.message);
}

const FORBIDDEN: [file: string, code: string, rule: RegExp][] = [
  ['src/net/ip.ts', `import '../model/types.ts';`, /net may import/],
  ['src/model/store.ts', `import '../plan/plan.ts';`, /model may import/],
  ['src/abi/codec.ts', `import '../model/store.ts';`, /abi may import/],
  ['src/plan/plan.ts', `import '../datapath/lb-maps.ts';`, /plan may import/],
  ['src/plan/plan.ts', `import '../log.ts';`, /plan may import/],
  ['src/kernel/map.ts', `import '../abi/codecs.gen.ts';`, /kernel may import/],
  ['src/toolchain/compile.ts', `import '../datapath/lb-maps.ts';`, /toolchain may import/],
  ['src/datapath/datapath.ts', `import '../plan/plan.ts';`, /datapath may import/],
  ['src/reconcile/diff.ts', `import '../kernel/map.ts';`, /reconcile may import/],
  ['src/reconcile/diff.ts', `import '../datapath/bpf-lb-maps.ts';`, /reconcile may import/],
  ['src/sources/file.ts', `import '../kernel/map.ts';`, /sources may import/],
  ['src/sources/file.ts', `import '../plan/plan.ts';`, /sources may import/],
  ['src/sources/kubernetes/watch.ts', `import '../../reconcile/diff.ts';`, /sources may import/],
  ['src/observe/services.ts', `import '../cli/main.ts';`, /observe may import/],
  ['src/agent/agent.ts', `import '../cli/main.ts';`, /agent may import/],
  ['src/sources/file.ts', `import '../agent/agent.ts';`, /sources may import/],
  ['src/config/settings.ts', `import '../agent/agent.ts';`, /config may import/],
  ['src/reconcile/reconciler.ts', `import '../config/settings.ts';`, /reconcile may import/],
  ['src/net/ip.ts', `import type { Service } from './../model/types.ts';`, /net may import/],
  ['src/net/ip.ts', `export * from '../model/types.ts';`, /net may import/],
  ['src/net/ip.ts', `void import('../model/types.ts');`, /net may import/],

  ['src/kernel/map.ts', `import '../../native/build/Release/bpfsvc.node';`, /loads the addon/],
  ['src/cli/main.ts', `import { createRequire } from 'node:module';`, /loads the addon/],
  ['src/log.ts', `import { createRequire } from 'module';`, /loads the addon/],
  ['src/kernel/map.ts', `void process.dlopen;`, /loads the addon/],

  ['src/cli/main.ts', `import { execa } from 'execa';`, /execa belongs to/],
  ['src/observe/services.ts', `import { Command } from 'commander';`, /commander belongs to/],
  ['src/cli/main.ts', `void import('@kubernetes/client-node');`, /client-node belongs to/],

  ['src/plan/plan.ts', `import { readFile } from 'node:fs/promises';`, /plan is pure/],
  ['src/model/store.ts', `import { setTimeout } from 'timers/promises';`, /model is pure/],
  ['src/net/ip.ts', `import { createSocket } from 'node:dgram';`, /net is pure/],
  ['src/plan/plan.ts', `export const now = Date.now();`, /is pure/],
  ['src/reconcile/diff.ts', `export const seed = Math.random();`, /is pure/],
  ['src/reconcile/diff.ts', `import { readFile } from 'node:fs/promises';`, /is pure/],
  ['src/sources/kubernetes/convert.ts', `export const home = process.env;`, /is pure/],
];

const ALLOWED: [file: string, code: string][] = [
  ['src/cli/main.ts', `import '../reconcile/reconciler.ts'; import { Command } from 'commander';`],
  ['src/agent/agent.ts', `import '../reconcile/reconciler.ts'; import '../kernel/addon.ts'; import '../log.ts';`],
  ['src/abi/codec.ts', `import '../model/types.ts'; import '../net/ip.ts'; import { endianness } from 'node:os';`],
  ['src/net/ip.ts', `import { isIP } from 'node:net'; import '../errors.ts';`],
  ['src/reconcile/diff.ts', `import '../datapath/lb-maps.ts'; import '../plan/types.ts'; import './set-word.ts';`],
  ['src/sources/kubernetes/watch.ts', `import '../../kernel/netlink.ts'; import '../file.ts'; import '../plan.ts';`],
  ['src/kernel/addon.ts', `import { createRequire } from 'node:module';`],
  ['src/toolchain/compile.ts', `import { execa } from 'execa'; import '../log.ts';`],
];

describe('eslint.config.js', () => {
  it.each(FORBIDDEN)('refuses in %s: %s', async (file, code, rule) => {
    expect(await complaints(file, code)).toEqual([expect.stringMatching(rule)]);
  });

  it.each(ALLOWED)('accepts in %s: %s', async (file, code) => {
    expect(await complaints(file, code)).toEqual([]);
  });

  it('knows each directory of src', async () => {
    const layers = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(layers).not.toEqual([]);
    for (const { name } of layers) {
      const config: unknown = await eslint.calculateConfigForFile(`src/${name}/x.ts`);
      expect(config, name).toHaveProperty('rules.no-restricted-imports');
    }
  });
});
