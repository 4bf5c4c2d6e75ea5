// SPDX-License-Identifier: Apache-2.0
// config.gen.ts: the settings that the agent writes into .rodata before load.

import type { Abi, Setting } from './abi.ts';
import { fieldType, Imports, writeField } from './emit-fields.ts';
import { banner } from './emit.ts';
import { camelCase } from './names.ts';

export function emitConfig(abi: Abi): string {
  const imports = new Imports();
  const members = abi.settings.map((setting) => {
    return `/** ${setting.doc} */\nreadonly ${property(setting)}: ${fieldType(setting.kind, imports)};`;
  });
  const settings = abi.settings.map((setting) => emitSetting(setting, imports));
  return `${banner('The settings of the BPF programs: constants to a loaded program, set before load.')}
${imports.toString()}
export interface Settings {
${members.join('\n')}
}

export const SETTINGS = {
${settings.join('\n')}
} as const;

export type SettingName = keyof typeof SETTINGS;
`;
}

function emitSetting(setting: Setting, imports: Imports): string {
  const write = writeField({ offset: 0, size: setting.size, kind: setting.kind }, 'value', setting.name, imports);
  return `${property(setting)}: {
  variable: '${setting.name}',
  type: '${setting.type}',
  size: ${setting.size},
  doc: ${JSON.stringify(setting.doc)},
  encode(value: ${fieldType(setting.kind, imports)}): Uint8Array {
    const bytes = new Uint8Array(${setting.size});
    const view = new DataView(bytes.buffer);
    ${write.replaceAll(/\boffset\b/g, '0')}
    return bytes;
  },
},`;
}

function property(setting: Setting): string {
  return camelCase(setting.name.replace(/^cfg_/, ''));
}
