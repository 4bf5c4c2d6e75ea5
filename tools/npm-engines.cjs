// SPDX-License-Identifier: Apache-2.0
// Preloaded into npm by tools/deps.sh. npm holds packages' `engines` against the Node that it runs on itself, and leaves out
// optional ones that do not fit: on Debian 12's Node 18 those are native parts that vitest cannot start without. Packages
// here run on package.json's Node, so that is the version to judge by; npm has no option to say so.

const { devDependencies } = require('../package.json');

Object.defineProperty(process, 'version', { value: `v${devDependencies.node}` });
