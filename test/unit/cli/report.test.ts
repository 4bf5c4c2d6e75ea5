// SPDX-License-Identifier: Apache-2.0
// What a failure says, and the status it ends with.

import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { reportError } from '../../../src/cli/report.ts';
import { UsageError } from '../../../src/cli/usage-error.ts';
import { ConfigurationError } from '../../../src/config/configuration-error.ts';
import { BpfsvcError } from '../../../src/errors.ts';
import { KernelError } from '../../../src/kernel/errors.ts';

const REFUSED = { code: 'EPERM', errno: 1, op: 'object.load', object: 'bpfsvc.bpf.o' };

describe('reportError', () => {
  it('is one line, without a stack', () => {
    expect(reportError(new Error('no; do it so'))).toEqual({ text: 'bpfsvc: no; do it so\n', status: 1 });
  });

  it('has status 2 for what the user wrote wrong', () => {
    expect(reportError(new UsageError('x')).status).toBe(2);
    expect(reportError(new ConfigurationError('x')).status).toBe(2);
    expect(reportError(new BpfsvcError('service-cidr-invalid', 'x')).status).toBe(2);
    expect(reportError(new BpfsvcError('manifests-missing', 'x')).status).toBe(1);
    expect(reportError(new CommanderError(1, 'commander.unknownOption', 'x'))).toEqual({ text: '', status: 2 });
    expect(reportError(new CommanderError(0, 'commander.version', '0.1.0'))).toEqual({ text: '', status: 0 });
  });

  it('shows stack and causes when debugging', () => {
    const { text } = reportError(new Error('outer', { cause: new Error('inner') }), { debug: true });
    expect(text).toMatch(/^bpfsvc: outer\nError: outer\n {4}at .*\ncaused by: Error: inner\n/s);
  });

  it("shows the verifier's log whole", () => {
    const error = new KernelError('cannot load', { ...REFUSED, code: 'EACCES', verifierLog: '0: r0 = 0\n1: bad\n' });
    expect(reportError(error).text).toBe('bpfsvc: cannot load\n0: r0 = 0\n1: bad\n');
  });

  it('names root as the remedy where the kernel refuses somebody else', () => {
    const error = new KernelError('cannot open', REFUSED);
    expect(reportError(error, { root: false }).text).toBe('bpfsvc: cannot open; run it as root\n');
    expect(reportError(error).text).toBe('bpfsvc: cannot open\n');
  });
});
