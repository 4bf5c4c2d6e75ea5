// SPDX-License-Identifier: Apache-2.0
// A configuration file that cannot be followed. Apart from what throws it, so that it can be told without loading that.

/** The message holds all mistakes, one line each. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}
