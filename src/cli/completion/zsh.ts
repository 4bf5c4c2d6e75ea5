// SPDX-License-Identifier: Apache-2.0
// A completion script for zsh.

import type { CommandModel, OptionModel, Value } from './model.ts';

export function zshScript(models: readonly CommandModel[]): string {
  const program = models[0]?.path ?? '';
  return `#compdef ${program}
# zsh completion for ${program}; load it: source <(${program} completion zsh)
${models.map(commandFunction).join('\n')}
# Called by the completion system itself when the file lies in $fpath; sourced, it only tells of itself.
if [[ $funcstack[1] == ${functionName(program)} ]]; then ${functionName(program)} "$@"; else compdef ${functionName(program)} ${program}; fi
`;
}

// --- internal ---

function commandFunction({ path, options, commands, argument }: CommandModel): string {
  const specs = options.map((option) => `    ${optionSpec(option)}`);
  if (commands.length === 0) {
    const rest = argument.kind === 'words' ? [`    '1::argument:${action(argument)}'`] : [];
    return `${functionName(path)}() {
  _arguments -s \\
${[...specs, ...rest].join(' \\\n')}
}`;
  }
  return `${functionName(path)}() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C -s \\
${[...specs, "    '1:command:->command'", "    '*::argument:->argument'"].join(' \\\n')}
  case $state in
    command) local -a names=(${commands.map(({ name, description }) => quote(`${name}:${description}`)).join(' ')})
      _describe command names ;;
    argument) case $line[1] in
${commands.map(({ name }) => `      ${name}) ${functionName(`${path} ${name}`)} ;;`).join('\n')}
      esac ;;
  esac
}`;
}

function optionSpec({ names, description, value }: OptionModel): string {
  const text = description.replaceAll(/[[\]:]/g, String.raw`\$&`);
  const argument = value.kind === 'none' ? '' : `:value:${action(value)}`;
  if (names.length === 1) return quote(`*${names.join('')}[${text}]${argument}`);
  return `'*'{${names.join(',')}}${quote(`[${text}]${argument}`)}`;
}

function action(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `(${value.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'any':
    case 'none':
      return '';
  }
}

function functionName(path: string): string {
  return `_${path.replaceAll(/\W/g, '_')}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
