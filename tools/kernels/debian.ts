// SPDX-License-Identifier: Apache-2.0
// Debian packages of any suite, without touching the machine's own apt: a private state directory, the machine's mirror,
// Debian's keyring. It knows nothing of kernels.

import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { command } from './command.ts';
import { HarnessError } from './errors.ts';
import { type Mirrors, mirrorsFrom, sourcesList } from './mirrors.ts';
import type { Package } from './releases.ts';

const DAY_MS = 86_400_000;

export class DebianSuite {
  readonly #suite: string;
  readonly #directory: string;

  /** Lists and downloads are kept under `directory`. */
  constructor(suite: string, directory: string) {
    this.#suite = suite;
    this.#directory = path.join(directory, suite);
  }

  /** The text of all package indexes, not older than a day unless the mirror is out of reach. */
  async index(): Promise<string> {
    if ((await this.#age()) > DAY_MS) await this.#update();
    const format = ['indextargets', '--format', '$(FILENAME)', 'Created-By: Packages'];
    const files = (await this.#apt('apt-get', format)).split('\n').filter((file) => file !== '');
    return command('/usr/lib/apt/apt-helper', ['cat-file', ...files]);
  }

  /** Paths of the downloaded files, checked by apt against the signed lists. */
  async download(packages: readonly Package[], into: string): Promise<string[]> {
    await mkdir(into, { recursive: true });
    const names = packages.map(({ name, version }) => `${name}=${version}`);
    await this.#apt('apt-get', ['download', ...names], into);
    const files = (await readdir(into)).filter((file) => file.endsWith('.deb'));
    return files.map((file) => path.join(into, file));
  }

  async #update(): Promise<void> {
    await mkdir(path.join(this.#directory, 'lists/partial'), { recursive: true });
    await mkdir(path.join(this.#directory, 'archives/partial'), { recursive: true });
    await writeFile(path.join(this.#directory, 'status'), '');
    await writeFile(path.join(this.#directory, 'sources.list'), sourcesList(this.#suite, await machineMirrors()));
    try {
      await this.#apt('apt-get', ['update', '--error-on=any']);
    } catch (error) {
      if ((await this.#age()) === Infinity) throw error;
      console.error(`kernels: using old package lists of ${this.#suite}: the mirror is out of reach`);
      return;
    }
    await writeFile(this.#stamp, '');
  }

  async #age(): Promise<number> {
    try {
      return Date.now() - (await stat(this.#stamp)).mtimeMs;
    } catch {
      return Infinity; // never updated
    }
  }

  get #stamp(): string {
    return path.join(this.#directory, 'updated');
  }

  #apt(tool: string, args: readonly string[], cwd?: string): Promise<string> {
    const settings = {
      'Dir::State': this.#directory,
      'Dir::State::lists': path.join(this.#directory, 'lists'),
      'Dir::State::status': path.join(this.#directory, 'status'),
      'Dir::Cache': this.#directory,
      'Dir::Etc::sourcelist': path.join(this.#directory, 'sources.list'),
      'Dir::Etc::sourceparts': '-',
      'APT::Architecture': 'amd64',
      'APT::Architectures': 'amd64',
      'APT::Sandbox::User': '',
      'Acquire::Languages': 'none',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return command(tool, ['-qq', ...options, ...args], cwd === undefined ? {} : { cwd });
  }
}

/** Of the machine's own sources, or of the environment where the machine is no Debian. */
async function machineMirrors(): Promise<Mirrors> {
  const main = process.env['BPFSVC_DEBIAN_MIRROR'];
  if (main !== undefined) return { main, security: process.env['BPFSVC_DEBIAN_SECURITY_MIRROR'] ?? `${main}-security` };
  const targets = await command('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const mirrors = mirrorsFrom(targets);
  if (mirrors !== undefined) return mirrors;
  throw new HarnessError('apt has no Debian mirror configured: set BPFSVC_DEBIAN_MIRROR to the URI of one');
}
