// SPDX-License-Identifier: Apache-2.0
// The one failure of the toolchain. Its message is meant for the terminal: first line what failed, then the tool's own
// words whole, then the remedy.

export type ToolchainErrorCode = 'missing-tool' | 'old-tool' | 'compile-failed' | 'link-failed' | 'layout-differs';

export class ToolchainError extends Error {
  override readonly name = 'ToolchainError';
  readonly code: ToolchainErrorCode;

  constructor(code: ToolchainErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
