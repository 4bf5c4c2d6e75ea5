// SPDX-License-Identifier: Apache-2.0
// One empty network namespace, for tests of what a single host sees of itself; cluster.ts makes whole topologies. Programs
// in it are killed with their parent.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from './command.ts';
import { claimPrefix, removeEverything, sweepDead } from './leftovers.ts';
import type { PipedProcess } from './place.ts';
import { sysctlScript } from './place.ts';
import { within } from './wait.ts';

/** IPv6 addresses are valid at once, and no router answers. */
const SYSCTLS = {
  'net.ipv6.conf.all.accept_dad': '0',
  'net.ipv6.conf.default.accept_dad': '0',
  'net.ipv6.conf.default.accept_ra': '0',
};

export class Namespace implements Disposable {
  readonly prefix: string;
  readonly path: string;

  private constructor(prefix: string) {
    this.prefix = prefix;
    this.path = `/run/netns/${prefix}-alone`;
  }

  static async create(): Promise<Namespace> {
    sweepDead();
    const namespace = new Namespace(claimPrefix());
    await run('ip', ['netns', 'add', `${namespace.prefix}-alone`]);
    await namespace.run('sh', ['-c', sysctlScript(SYSCTLS)]);
    await namespace.ip('link set lo up');
    return namespace;
  }

  run(command: string, args: readonly string[], input?: string): Promise<string> {
    return run('nsenter', [`--net=${this.path}`, command, ...args], input);
  }

  /** Lines for `ip -batch`. */
  async ip(...lines: string[]): Promise<void> {
    await this.run('ip', ['-batch', '-'], lines.map((line) => `${line}\n`).join(''));
  }

  /** What iproute2 says of the same things. */
  async list<T>(...args: string[]): Promise<T[]> {
    const text = await this.run('ip', ['-json', ...args]);
    return text === '' ? [] : (JSON.parse(text) as T[]);
  }

  /** A program of this repository; `file` is relative to test/. */
  start(file: string, ...args: string[]): Conversation {
    const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
    const command = [`--net=${this.path}`, 'setpriv', '--pdeathsig', 'KILL', process.execPath, program, ...args];
    return new Conversation(spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'pipe'] }));
  }

  [Symbol.dispose](): void {
    removeEverything(this.prefix);
  }
}

/** A program that is told lines and answers with lines of JSON. */
export class Conversation implements AsyncDisposable {
  readonly #process: PipedProcess;
  readonly #ended: Promise<void>;
  readonly #heard: unknown[] = [];
  #wake = Promise.withResolvers<undefined>();
  #stderr = '';
  #over = false;

  constructor(process: PipedProcess) {
    this.#process = process;
    process.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    process.stdin.on('error', () => undefined);
    createInterface({ input: process.stdout }).on('line', (line) => {
      this.#heard.push(JSON.parse(line));
      this.#wakeUp();
    });
    this.#ended = new Promise((resolve) => {
      process.on('close', () => {
        this.#over = true;
        this.#wakeUp();
        resolve();
      });
    });
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  /** The first answer from now on, in order, that `is` accepts; those before it are passed over. */
  async hear<T>(what: string, is: (answer: T) => boolean = () => true): Promise<T> {
    return within(what, this.#next(what, is));
  }

  async #next<T>(what: string, is: (answer: T) => boolean): Promise<T> {
    for (;;) {
      while (this.#heard.length > 0) {
        const answer = this.#heard.shift() as T;
        if (is(answer)) return answer;
      }
      if (this.#over) throw new Error(`the program ended without ${what}: ${this.#stderr.trim()}`);
      await this.#wake.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }

  #wakeUp(): void {
    this.#wake.resolve(undefined);
    this.#wake = Promise.withResolvers();
  }
}
