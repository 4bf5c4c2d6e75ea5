// SPDX-License-Identifier: Apache-2.0
// What the addon throws: made here and handed to native code, so that both sides speak of one class.

export interface KernelErrorFields {
  /** `ENOENT`; `ECLOSED` after close(). */
  readonly code: string;
  /** Positive; 0 where no system call failed. */
  readonly errno: number;
  /** Stable: `map.update`. */
  readonly op: string;
  /** The map's, program's or interface's name, or a path. */
  readonly object: string;
  /** Whole, of a failed load. */
  readonly verifierLog?: string;
  /** Entries of a failed batch that are in force all the same. */
  readonly applied?: number;
}

export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly code: string;
  readonly errno: number;
  readonly op: string;
  readonly object: string;
  readonly verifierLog: string | undefined;
  readonly applied: number | undefined;

  constructor(message: string, fields: KernelErrorFields) {
    super(message);
    this.code = fields.code;
    this.errno = fields.errno;
    this.op = fields.op;
    this.object = fields.object;
    this.verifierLog = fields.verifierLog;
    this.applied = fields.applied;
  }
}
