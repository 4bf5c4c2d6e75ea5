// SPDX-License-Identifier: Apache-2.0
// typescript-eslint's strictest set, and the project's shape as rules: which layer may import which, which package belongs
// to which layer, what pure code may touch. docs/architecture.md explains the shape; the table here is what decides.

import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * Layers are the directories of src/. An entry is a layer, or one of its files where only that file is a layer's border.
 * Left out: the layer itself and files of src/ itself, errors.ts above all. cli may import everything.
 */
const MAY_IMPORT = {
  net: [],
  model: ['net'],
  abi: ['net', 'model/types.ts'],
  plan: ['model', 'net', 'abi'],
  kernel: ['abi/codec.ts'],
  toolchain: ['abi', 'kernel'],
  datapath: ['kernel', 'abi', 'net', 'toolchain'],
  reconcile: ['plan', 'model', 'net', 'abi', 'datapath/lb-maps.ts'],
  sources: ['model', 'net', 'kernel/netlink.ts'],
  config: [
    'net',
    'plan/algorithm.ts',
    'sources/manifests/fields.ts',
    'sources/manifests/port-range.ts',
    'sources/manifests/problem.ts',
  ],
  observe: ['abi', 'datapath', 'kernel', 'model', 'net', 'plan'],
  agent: [
    'config',
    'net',
    'model',
    'abi',
    'plan',
    'kernel',
    'toolchain',
    'datapath',
    'reconcile',
    'sources',
    'observe',
  ],
};

/** Top-level files of src/ that have effects: not for layers that are pure. */
const EFFECTFUL_FILES = ['log.ts'];

/** No input, no output, no clock: what these return follows from their arguments alone. */
const PURE_LAYERS = ['net', 'model', 'abi', 'plan'];
const PURE_FILES = { 'src/reconcile/diff.ts': 'reconcile', 'src/sources/kubernetes/convert.ts': 'sources' };

/** Packages that one layer fences in, so that exchanging one touches one directory. */
const PACKAGE_HOME = {
  execa: 'toolchain',
  commander: 'cli',
  '@kubernetes/client-node': 'sources',
};

const ADDON_FILE = 'src/kernel/addon.ts';

const EFFECTS =
  '^(?:node:)?(?:fs|net|http|https|http2|tls|dns|dgram|child_process|worker_threads|os|process|timers|readline)(?:/|$)';
const DLOPEN = "MemberExpression[object.name='process'][property.name='dlopen']";
const ADDON_LOADERS = '^(?:node:)?module$|\\.node$|^node-gyp|^bindings$';

const PURE_RULES = {
  'no-restricted-globals': [
    'error',
    ...['process', 'setTimeout', 'setInterval', 'setImmediate', 'fetch', 'console', 'performance'].map((name) => ({
      name,
      message: 'This code is pure: pass in what it needs.',
    })),
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'This code is pure: take the time as an argument.' },
    { object: 'Math', property: 'random', message: 'This code is pure: take randomness as an argument.' },
  ],
};

const alternatives = (names) => names.map((name) => name.replaceAll('.', '\\.')).join('|');

/** Paths into layers that are not on the list. Depth does not matter: `../` as often as it takes. */
function layerBorder(layer) {
  const allowed = MAY_IMPORT[layer];
  const closed = [...Object.keys(MAY_IMPORT), 'cli'].filter((name) => name !== layer && !allowed.includes(name));
  const files = allowed.filter((name) => name.endsWith('.ts'));
  const exceptions = files.length === 0 ? '' : `(?!(?:${alternatives(files)})$)`;
  const topLevel = PURE_LAYERS.includes(layer) ? `|(?:${alternatives(EFFECTFUL_FILES)})$` : '';
  return {
    regex: `^(?:\\./)*(?:\\.\\./)+${exceptions}(?:(?:${alternatives(closed)})/${topLevel})`,
    message: `${layer} may import ${['itself', 'errors.ts', ...allowed].join(', ')} (eslint.config.js, MAY_IMPORT).`,
  };
}

/** The same patterns for `import`, `export … from` (no-restricted-imports) and `import()` (no-restricted-syntax). */
function borders(layer, { loadsAddon = false, pure = PURE_LAYERS.includes(layer) } = {}) {
  const patterns = [];
  if (layer in MAY_IMPORT) patterns.push(layerBorder(layer));
  for (const [name, home] of Object.entries(PACKAGE_HOME)) {
    if (home !== layer) patterns.push({ regex: `^${name}(?:/|$)`, message: `${name} belongs to src/${home} only.` });
  }
  const message = `Only ${ADDON_FILE} loads the addon.`;
  if (!loadsAddon) patterns.push({ regex: ADDON_LOADERS, message });
  if (pure) patterns.push(purity(layer));
  const calls = loadsAddon ? [] : [{ selector: DLOPEN, message }];
  return { ...rulesFor(patterns, calls), ...(pure ? PURE_RULES : {}) };
}

function purity(layer) {
  // node:net is src/net's gate on what is an address (isIP), node:os tells src/abi the byte order: neither has an effect.
  const harmless = { net: 'net|', abi: 'os|' }[layer];
  const regex = harmless === undefined ? EFFECTS : EFFECTS.replace(harmless, '');
  return { regex, message: `${layer} is pure: pass in what it needs.` };
}

function rulesFor(patterns, selectors) {
  return {
    'no-restricted-imports': ['error', { patterns }],
    'no-restricted-syntax': [
      'error',
      ...patterns.map(({ regex, message }) => ({
        selector: `ImportExpression[source.value=/${regex.replaceAll('/', '\\/')}/]`,
        message,
      })),
      ...selectors,
    ],
  };
}

export default defineConfig(
  globalIgnores(['dist/', 'native/build/', '.cache/', 'coverage/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  {
    files: ['**/*.js'],
    extends: [js.configs.recommended],
  },
  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  // Run by hand or by make, in a terminal: their output is the result.
  { files: ['tools/**', 'bench/**', 'demo/**', 'test/workloads/**', 'src/cli/**'], rules: { 'no-console': 'off' } },

  ...['cli', ...Object.keys(MAY_IMPORT)].map((layer) => ({ files: [`src/${layer}/**/*.ts`], rules: borders(layer) })),
  { files: [ADDON_FILE], rules: borders('kernel', { loadsAddon: true }) },
  { files: ['src/*.ts'], rules: borders('') },
  ...Object.entries(PURE_FILES).map(([file, layer]) => ({ files: [file], rules: borders(layer, { pure: true }) })),
);
