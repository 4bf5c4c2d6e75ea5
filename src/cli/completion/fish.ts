// SPDX-License-Identifier: Apache-2.0
// A completion script for fish.

import type { CommandModel, OptionModel, Value } from './model.ts';

export function fishScript(models: readonly CommandModel[]): string {
  const program = models[0]?.path ?? '';
  return `# fish completion for ${program}; load it: ${program} completion fish | source
function __${program}_at -d 'whether these are the commands so far'
  set -l words
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; or set -a words $word
  end
  test (count $words) -ge (count $argv); or return 1
  for i in (seq (count $argv))
    test "$words[$i]" = "$argv[$i]"; or return 1
  end
end
complete -c ${program} -f
${models.flatMap((model) => commandLines(program, model)).join('\n')}
`;
}

// --- internal ---

function commandLines(program: string, { path, options, commands, argument }: CommandModel): string[] {
  const here = [`__${program}_at`, ...path.split(' ').slice(1)].join(' ');
  const nextWord = `${here}; and not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`;
  const line = (condition: string, rest: string): string => `complete -c ${program} -n ${quote(condition)} ${rest}`;
  return [
    ...commands.map(({ name, description }) => line(nextWord, `-a ${name} -d ${quote(description)}`)),
    ...options.map((option) => line(here, `${optionFlags(option)} -d ${quote(option.description)}`)),
    ...(argument.kind === 'words' ? [line(here, `-a ${quote(argument.words.join(' '))}`)] : []),
  ];
}

function optionFlags({ names, value }: OptionModel): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return [...flags, ...valueFlags(value)].join(' ');
}

function valueFlags(value: Value): string[] {
  switch (value.kind) {
    case 'words':
      return ['-x', `-a ${quote(value.words.join(' '))}`];
    case 'file':
      return ['-r', '-F'];
    case 'directory':
      return ['-x', "-a '(__fish_complete_directories)'"];
    case 'any':
      return ['-x'];
    case 'none':
      return [];
  }
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}
