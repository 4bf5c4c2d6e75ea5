// SPDX-License-Identifier: Apache-2.0
// A place to run programs in: a network namespace and a cgroup. A process enters its cgroup before it makes a socket,
// because a socket keeps the cgroup that it was made in. It knows nothing of what the programs do.

import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { DualStack } from './address-plan.ts';
import { run } from './command.ts';

export type PipedProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** $1 cgroup, $2 namespace. Killed with its parent, so that a killed test leaves nothing running. */
const ENTER =
  'echo $$ >"$1/cgroup.procs" && ns=$2 && shift 2 && exec nsenter --net="$ns" setpriv --pdeathsig KILL "$@"';

export class Place {
  readonly name: string;
  readonly netnsPath: string;
  readonly cgroup: string;
  /** The first is what others call this host by; empty for routers. */
  readonly addresses: readonly DualStack[];

  constructor(name: string, netnsPath: string, cgroup: string, addresses: readonly DualStack[]) {
    this.name = name;
    this.netnsPath = netnsPath;
    this.cgroup = cgroup;
    this.addresses = addresses;
  }

  get address(): DualStack {
    const address = this.addresses[0];
    if (address === undefined) throw new Error(`${this.name} has no address`);
    return address;
  }

  /** A long-running program; the caller ends it. */
  spawn(command: string, args: readonly string[], environment: Record<string, string> = {}): PipedProcess {
    return spawn('sh', this.#enter(command, args), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
  }

  /** A short program, to its end; resolves with its output. */
  run(command: string, args: readonly string[] = [], input?: string): Promise<string> {
    return run('sh', this.#enter(command, args), input);
  }

  /** Lines for `ip -batch`. */
  async ip(...lines: string[]): Promise<void> {
    await this.run('ip', ['-batch', '-'], lines.map((line) => `${line}\n`).join(''));
  }

  async sysctl(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.run('sh', ['-c', sysctlScript(settings)]);
  }

  /** Counters of the namespace: `TcpExt.TCPSynRetrans`, `Tcp.RetransSegs` and the like. */
  async counters(): Promise<ReadonlyMap<string, bigint>> {
    const lines = (await this.run('cat', ['/proc/self/net/netstat', '/proc/self/net/snmp'])).split('\n');
    const counters = new Map<string, bigint>();
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const [group = '', ...names] = (lines[i] ?? '').split(' ');
      const [, ...values] = (lines[i + 1] ?? '').split(' ');
      for (const [n, name] of names.entries()) counters.set(`${group.slice(0, -1)}.${name}`, BigInt(values[n] ?? 0));
    }
    return counters;
  }

  #enter(command: string, args: readonly string[]): string[] {
    return ['-c', ENTER, 'sh', this.cgroup, this.netnsPath, command, ...args];
  }
}

/** Shell builtins only: dozens of settings cost one process. */
export function sysctlScript(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(
    ([key, value]) => `echo '${value}' >'/proc/sys/${key.replaceAll('.', '/')}'`,
  );
  return ['set -e', ...lines].join('\n');
}
