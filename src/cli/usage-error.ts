// SPDX-License-Identifier: Apache-2.0
// A command line, or a configuration file, that cannot be followed: exit status 2.

export class UsageError extends Error {
  override readonly name = 'UsageError';
}
