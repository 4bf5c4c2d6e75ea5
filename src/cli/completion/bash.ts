// SPDX-License-Identifier: Apache-2.0
// A completion script for bash 4 and newer.

import type { CommandModel, OptionModel, Value } from './model.ts';

export function bashScript(models: readonly CommandModel[]): string {
  const program = models[0]?.path ?? '';
  const name = `_${program}`;
  return `# bash completion for ${program}; load it: source <(${program} completion bash)
${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path=${program} word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path $word" in
${models
  .slice(1)
  .map(({ path }) => `      '${path}') path='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path $prev" in
${models.flatMap((model) => model.options.flatMap((option) => optionCase(model, option))).join('\n')}
  esac
  case "$path" in
${models.map(commandCase).join('\n')}
  esac
}
complete -F ${name} ${program}
`;
}

// --- internal ---

function optionCase({ path }: CommandModel, { names, value }: OptionModel): string[] {
  if (value.kind === 'none') return [];
  return [`    ${names.map((name) => `'${path} ${name}'`).join('|')}) ${reply(value)} return ;;`];
}

function commandCase({ path, options, commands, argument }: CommandModel): string {
  const names = [...commands.map(({ name }) => name), ...(argument.kind === 'words' ? argument.words : [])];
  const flags = options.flatMap((option) => option.names);
  return `    '${path}')
      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '${flags.join(' ')}' -- "$cur"))
      else COMPREPLY=($(compgen -W '${names.join(' ')}' -- "$cur")); fi ;;`;
}

function reply(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `COMPREPLY=($(compgen -W '${value.words.join(' ')}' -- "$cur"));`;
    case 'file':
      return 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur"));';
    case 'directory':
      return 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur"));';
    case 'any':
    case 'none':
      return '';
  }
}
