// SPDX-License-Identifier: Apache-2.0
// The entry of `bpfsvc`: parses, runs one command, turns its failure into a line and a status.

import { buildProgram } from './program.ts';
import { reportError } from './report.ts';

const program = buildProgram();

// Whoever reads us may stop early: `bpfsvc maps dump | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  const debug = ['debug', 'trace'].includes(String(program.opts()['logLevel']));
  const { text, status } = reportError(error, { debug, root: process.geteuid?.() === 0 });
  process.stderr.write(text);
  process.exitCode = status;
}
