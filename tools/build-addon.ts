// SPDX-License-Identifier: Apache-2.0
// Builds native/ against the headers of the Node that runs this script. npm's
// package `node` keeps them beside a per-architecture copy of the binary, a
// system's Node under its prefix; node-gyp left alone would download them.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const modules = path.join(root, 'node_modules');

/** The version a header directory belongs to, or undefined where there is none. */
function headerVersion(prefix: string): string | undefined {
  const file = path.join(prefix, 'include', 'node', 'node_version.h');
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`^#define NODE_${part}_VERSION (\\d+)`, 'm').exec(text)?.[1],
  );
  return `v${parts.join('.')}`;
}

function findHeaders(): string {
  const architecture = `node-${process.platform}-${process.arch}`;
  const candidates = [
    path.join(modules, 'node', 'node_modules', architecture),
    path.join(modules, architecture),
    path.resolve(path.dirname(process.execPath), '..'),
  ];
  const found = candidates.find((prefix) => headerVersion(prefix) === process.version);
  if (found !== undefined) return found;
  throw new Error(
    `no headers of Node ${process.version}; looked for include/node in ${candidates.join(', ')}; run npm ci`,
  );
}

/** An npm configured with a nodedir hands it on in the environment, where node-gyp prefers it to the argument. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package_)?config_(node_gyp_)?nodedir$/i.test(name)),
  );
}

const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const result = spawnSync(
  process.execPath,
  [
    nodeGyp,
    'configure',
    'build',
    '--directory',
    path.join(root, 'native'),
    `--nodedir=${findHeaders()}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit', env: environment() },
);
if (result.error) throw result.error;
process.exitCode = result.status ?? 1;
