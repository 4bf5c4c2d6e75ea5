// SPDX-License-Identifier: Apache-2.0
// A command line that cannot be followed, where commander does not notice: exit status 2.

export class UsageError extends Error {
  override readonly name = 'UsageError';
}
