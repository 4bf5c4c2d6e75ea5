// SPDX-License-Identifier: Apache-2.0
// The tree of commands: their options and texts. What they do is loaded when they are called, so that those that do
// little start fast.

import { Argument, Command, Option } from 'commander';
import { MAPS } from '../abi/maps.gen.ts';
import { LOG_LEVELS } from '../log-levels.ts';
import type { RunFlags } from './agent-options.ts';
import type { MapsDumpOptions } from './commands/maps-dump.ts';
import type { ServicesOptions } from './commands/services.ts';
import { DEFAULT_BPFFS } from './defaults.ts';
import { collect, collectList } from './option-values.ts';
import { FORMATS } from './print/document.ts';
import type { Format } from './print/document.ts';
import { readVersion } from './version.ts';

interface ReadOptions {
  readonly bpffs: string;
  readonly output: Format;
}

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
  addServices(program);
  addStatus(program);
  addMaps(program);
  addCheck(program);
  addCompile(program);
  addCleanup(program);
  addCompletion(program);
  return program;
}

// --- internal ---

function addRun(program: Command): void {
  program
    .command('run')
    .description('the agent: follow Services and endpoints, keep the maps in step')
    .option('--manifests <path>', 'file or directory with Kubernetes YAML; may be given again', collect)
    .option('--node-name <name>', 'name of this node in endpoints and Nodes (default: the host name)')
    .option('--bpffs <dir>', `where pins go; a BPF file system, or where to mount one (default: ${DEFAULT_BPFFS})`)
    .option('--cgroup <dir>', 'cgroup v2 directory whose processes are served (default: the whole hierarchy)')
    .option('--devices <list>', 'uplinks, names or patterns (default: those with a default route)', collectList)
    .option('--pod-devices <patterns>', 'devices of pods that are served by packet', collectList)
    .option('--service-cidr <prefixes>', 'where missing cluster IPs are allocated, one or one a family', collectList)
    .option('--service-node-port-range <range>', 'where node ports lie and are allocated (default: 30000-32767)')
    .option('--opt-out-netns <list>', 'paths or globs of network namespaces whose sockets are left alone', collectList)
    .option('--config <file>', 'KubeProxyConfiguration, BpfsvcConfiguration, or both; flags win')
    .option('--objects <dir>', 'where bpfsvc.bpf.o lies, or is compiled to when it is missing')
    .action(async (_options: unknown, self: Command) => {
      const { run } = await import('./commands/run.ts');
      await run(self.optsWithGlobals<RunFlags>());
    });
}

function addServices(program: Command): void {
  program
    .command('services')
    .description('frontends, their backends, connections, packets and bytes')
    .argument('[service]', 'NAMESPACE/NAME; all when left out')
    .addOption(bpffs())
    .addOption(output())
    .action(async (service: string | undefined, options: ServicesOptions) => {
      const { services } = await import('./commands/services.ts');
      await services(service, options);
    });
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description("whether a datapath and an agent are there, the agent's problems, and how full the maps are")
    .addOption(bpffs())
    .addOption(output())
    .action(async (options: ReadOptions) => {
      const { status } = await import('./commands/status.ts');
      await status(options);
    });
}

function addMaps(program: Command): void {
  const maps = program.command('maps').description('what is in the kernel, without the agent');
  maps
    .command('list')
    .description('the pinned maps')
    .addOption(bpffs())
    .addOption(output())
    .action(async (options: ReadOptions) => {
      const { mapsList } = await import('./commands/maps-list.ts');
      await mapsList(options);
    });
  maps
    .command('dump')
    .description('the rows of a map, or of all maps')
    .addArgument(new MapArgument())
    .addOption(bpffs())
    .addOption(output())
    .option('--raw', 'keys and values as bytes, of any layout')
    .action(async (map: string | undefined, options: MapsDumpOptions) => {
      const { mapsDump } = await import('./commands/maps-dump.ts');
      await mapsDump(map, options);
    });
}

function addCheck(program: Command): void {
  program
    .command('check')
    .description('what this kernel can do, each probed, and what is used instead')
    .addOption(output())
    .action(async (options: { readonly output: Format }) => {
      const { check } = await import('./commands/check.ts');
      await check(options);
    });
}

function addCompile(program: Command): void {
  program
    .command('compile')
    .description("compile the BPF programs with this machine's clang")
    .option('--out <dir>', 'where bpfsvc.bpf.o goes (default: beside the program)')
    .option('--clang <path>', 'compiler (default: clang-19, then clang)')
    .action(async (options: { readonly out?: string; readonly clang?: string }) => {
      const { compile } = await import('./commands/compile.ts');
      await compile(options);
    });
}

function addCleanup(program: Command): void {
  program
    .command('cleanup')
    .description('take programs, maps and pins out of the kernel, and say which')
    .addOption(bpffs())
    .action(async (options: { readonly bpffs: string }) => {
      const { cleanup } = await import('./commands/cleanup.ts');
      cleanup(options);
    });
}

function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completion } = await import('./commands/completion.ts');
      completion(shell, program);
    });
}

/** Knows the maps for help and completion, but takes others too: bytes of another layout have other names. */
class MapArgument extends Argument {
  constructor() {
    super('[map]', `one of ${Object.keys(MAPS).join(', ')}`);
    this.argChoices = Object.keys(MAPS);
  }
}

function bpffs(): Option {
  return new Option('--bpffs <dir>', 'where the pins are, as given to `bpfsvc run`').default(DEFAULT_BPFFS);
}

function output(): Option {
  return new Option('-o, --output <format>', 'form of the result').choices(FORMATS).default('table');
}
