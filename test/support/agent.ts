// SPDX-License-Identifier: Apache-2.0
// An agent of a node: `bpfsvc run` in the node's namespace with the node's own bpffs and cgroup. It reads the agent's log
// for events and knows nothing of what they mean.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { both, SERVICE_CIDR } from './address-plan.ts';
import type { ClusterNode } from './cluster.ts';
import { run } from './command.ts';
import { makeCgroup } from './leftovers.ts';
import type { Manifests } from './manifests.ts';
import type { PipedProcess } from './place.ts';
import { Place } from './place.ts';
import { within } from './wait.ts';

/** One line of the agent's log. */
export interface LogEvent {
  readonly msg: string;
  readonly level: number;
  readonly [field: string]: unknown;
}

export interface AgentOptions {
  readonly manifests: Manifests;
  /** `source` runs the TypeScript as it lies there, `product` what a user starts. */
  readonly program?: 'source' | 'product';
  readonly arguments?: readonly string[];
  /** A command that runs it with less than all rights. */
  readonly wrapper?: readonly string[];
}

const PROGRAMS = {
  source: [process.execPath, '--disable-warning=ExperimentalWarning', pathOf('src/cli/main.ts')],
  product: [pathOf('bin/bpfsvc')],
} as const;

/** An emulated machine takes half a minute to strip the types of the source. */
const USUAL_PROGRAM = process.env['BPFSVC_TEST_PROGRAM'] === 'product' ? 'product' : 'source';

export class Agent implements AsyncDisposable {
  readonly node: ClusterNode;
  readonly log: LogEvent[] = [];
  readonly #options: AgentOptions;
  readonly #place: Place;
  #process: PipedProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #stray = '';
  #listeners = new Set<() => void>();

  private constructor(node: ClusterNode, options: AgentOptions) {
    this.node = node;
    this.#options = options;
    this.#place = new Place(
      `${node.name} (agent)`,
      node.netnsPath,
      makeCgroup(`${node.agentCgroup}/agent`),
      node.addresses,
    );
  }

  /** Resolves when the agent says that everything known is in the maps. */
  static async start(node: ClusterNode, options: AgentOptions): Promise<Agent> {
    const agent = new Agent(node, options);
    await agent.start();
    return agent;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  get pid(): number {
    if (this.#process?.pid === undefined) throw new Error(`the agent of ${this.node.name} does not run`);
    return this.#process.pid;
  }

  async start(): Promise<void> {
    this.launch();
    await this.event('ready');
  }

  /** Starts without waiting. */
  launch(): void {
    const { node } = this;
    const { manifests, program = USUAL_PROGRAM, arguments: extra = [], wrapper = [] } = this.#options;
    const options = ['--manifests', manifests.directory, '--node-name', node.name, ...this.#whereabouts()];
    const settings = [
      '--cgroup',
      node.agentCgroup,
      '--devices',
      'eth0',
      '--service-cidr',
      both(SERVICE_CIDR).join(','),
    ];
    const [command = '', ...args] = [...wrapper, ...PROGRAMS[program]];
    const child = this.#place.spawn(command, [
      ...args,
      'run',
      ...options,
      ...settings,
      '--log-level',
      'debug',
      ...extra,
    ]);
    this.#process = child;
    this.log.length = 0;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#read(line);
      });
    }
    this.#ended = once(child, 'close').then(() => {
      this.#process = undefined;
      this.#notify();
    });
  }

  /** The first event of this name since the last start, at or after `from` in the log. */
  async event(msg: string, from = 0): Promise<LogEvent> {
    return within(
      `'${msg}' of the agent of ${this.node.name}`,
      this.#find((event) => event.msg === msg, from),
    ).catch((cause: unknown) => {
      throw new Error(`no '${msg}' from the agent of ${this.node.name}:\n${this.tail()}`, { cause });
    });
  }

  /** The last lines of the log, for a failing test. */
  tail(lines = 30): string {
    return [...this.log.slice(-lines).map((event) => JSON.stringify(event)), this.#stray].join('\n');
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#process?.kill('SIGTERM');
    await this.#ended;
  }

  /** A subcommand on this node, whether the agent runs or not. */
  cli(...args: readonly string[]): Promise<string> {
    const [command, ...program] = PROGRAMS[this.#options.program ?? USUAL_PROGRAM];
    const enter = ['--net=' + this.node.netnsPath, command, ...program];
    return run('nsenter', [...enter, ...args, ...this.#whereabouts()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // --- internal ---

  #whereabouts(): string[] {
    return ['--bpffs', this.node.bpffs];
  }

  #read(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogEvent);
    } catch {
      this.#stray = `${this.#stray}${line}\n`.slice(-4000);
    }
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  async #find(matches: (event: LogEvent) => boolean, from: number): Promise<LogEvent> {
    let next = from;
    for (;;) {
      for (; next < this.log.length; next++) {
        const event = this.log[next];
        if (event !== undefined && matches(event)) return event;
      }
      if (this.#process === undefined) throw new Error('it has ended');
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const listener = (): void => {
        resolve(undefined);
      };
      this.#listeners.add(listener);
      await promise;
      this.#listeners.delete(listener);
    }
  }
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../../${file}`, import.meta.url));
}
