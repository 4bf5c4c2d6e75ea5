// SPDX-License-Identifier: Apache-2.0
// The tree of commands: their options and texts. What they do is loaded when they are called, so that those that do
// little start fast.

import { Command, Option } from 'commander';
import type { RunFlags } from './agent-options.ts';
import { DEFAULT_BPFFS } from './defaults.ts';
import { LOG_LEVELS } from '../log-levels.ts';
import { collect, collectList } from './option-values.ts';
import { readVersion } from './version.ts';

export function buildProgram(): Command {
  const program = new Command('bpfsvc')
    .description("A service load balancer in the kernel, with kube-proxy's semantics.")
    .version(readVersion())
    .addOption(
      new Option('--log-level <level>', 'how much is logged; from debug on, errors show where they come from').choices(
        LOG_LEVELS,
      ),
    )
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'bpfsvc: '));
      },
    })
    .showHelpAfterError('Try --help.')
    .exitOverride();
  addRun(program);
  addCompile(program);
  return program;
}

// --- internal ---

function addRun(program: Command): void {
  command(program, 'run')
    .description('the agent: follow Services and endpoints, keep the maps in step')
    .option('--manifests <path>', 'file or directory with Kubernetes YAML; may be given again', collect)
    .option('--node-name <name>', 'name of this node in endpoints and Nodes (default: the host name)')
    .addOption(bpffs())
    .option('--cgroup <dir>', 'cgroup v2 directory whose processes are served (default: the whole hierarchy)')
    .option('--devices <list>', 'uplinks, names or patterns (default: those with a default route)', collectList)
    .option('--pod-devices <patterns>', 'devices of pods that are served by packet', collectList)
    .option(
      '--service-cidr <prefixes>',
      'where missing cluster IPs are allocated, one or two of different families',
      collectList,
    )
    .option(
      '--service-node-port-range <range>',
      'where node ports lie and missing ones are allocated (default: 30000-32767)',
    )
    .option('--opt-out-netns <list>', 'paths or globs of network namespaces whose sockets are left alone', collectList)
    .option('--config <file>', 'KubeProxyConfiguration, BpfsvcConfiguration, or both')
    .option('--objects <dir>', 'where bpfsvc.bpf.o lies or is compiled to')
    .action(async (_options: unknown, self: Command) => {
      const { run } = await import('./commands/run.ts');
      await run(self.optsWithGlobals<RunFlags>());
    });
}

function addCompile(program: Command): void {
  command(program, 'compile')
    .description("compile the BPF programs with this machine's clang")
    .option('--out <dir>', 'where bpfsvc.bpf.o goes (default: beside the program)')
    .option('--clang <path>', 'compiler (default: clang-19, then clang)')
    .action(async (options: { out?: string; clang?: string }) => {
      const { compile } = await import('./commands/compile.ts');
      await compile(options);
    });
}

function command(parent: Command, name: string): Command {
  return parent.command(name).allowExcessArguments(false);
}

function bpffs(): Option {
  return new Option('--bpffs <dir>', `where the pins are (default: ${DEFAULT_BPFFS})`);
}
