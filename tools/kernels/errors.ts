// SPDX-License-Identifier: Apache-2.0
// The one failure of the VM harness itself. Its message is meant for the terminal: what failed, where, what to do. A test
// that fails inside a VM is a result, not one of these.

export class HarnessError extends Error {
  override readonly name = 'HarnessError';
}
