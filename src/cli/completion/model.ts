// SPDX-License-Identifier: Apache-2.0
// The commands as completion scripts need them, taken from commander's tree, so that they cannot differ from it.

import type { Command, Option } from 'commander';

/** What may follow an option or stand as an argument. */
export type Value =
  | { readonly kind: 'none' | 'any' | 'file' | 'directory' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export interface OptionModel {
  /** `-o`, `--output`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly value: Value;
}

export interface CommandModel {
  /** From the program on: `bpfsvc maps dump`. */
  readonly path: string;
  readonly description: string;
  readonly options: readonly OptionModel[];
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  /** Of the first argument. */
  readonly argument: Value;
}

/** Every command of the tree; each knows the options of those above. */
export function completionModel(program: Command): CommandModel[] {
  return walk(program, program.name(), []);
}

// --- internal ---

const NONE: Value = { kind: 'none' };

function walk(command: Command, path: string, inherited: readonly OptionModel[]): CommandModel[] {
  const own = command.createHelp().visibleOptions(command).map(optionModel);
  const global = command.options.filter((option) => !option.hidden).map(optionModel);
  const children = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');
  const argument = command.registeredArguments[0];
  const model: CommandModel = {
    path,
    description: command.description(),
    options: [...own, ...inherited],
    commands: children.map((child) => ({ name: child.name(), description: child.description() })),
    argument: argument === undefined ? NONE : words(argument.argChoices),
  };
  // What ends the program at once (--version) is asked of the program alone.
  const passedOn = global.filter(({ names }) => !names.includes('--version'));
  return [model, ...children.flatMap((child) => walk(child, `${path} ${child.name()}`, [...inherited, ...passedOn]))];
}

function optionModel(option: Option): OptionModel {
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: option.description,
    value: option.required || option.optional ? optionValue(option) : NONE,
  };
}

/** Help texts name what they want: `--out <dir>`. */
function optionValue({ argChoices, flags }: Option): Value {
  if (argChoices !== undefined) return words(argChoices);
  if (flags.includes('<dir>')) return { kind: 'directory' };
  return /<(?:path|file)>/.test(flags) ? { kind: 'file' } : { kind: 'any' };
}

function words(choices: readonly string[] | undefined): Value {
  return choices === undefined ? { kind: 'any' } : { kind: 'words', words: choices };
}
