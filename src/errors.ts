// SPDX-License-Identifier: Apache-2.0
// The errors that end a command. One table says for each code what it means and what the operator does; messages name
// the thing and the place. Failures of parts that live on (a bad manifest, a map that is full) are not thrown but
// kept as state where they belong.

const CODES = {
  'manifests-missing': {
    meaning: 'a path given by --manifests does not exist',
    remedy: 'make the directory or file, or correct the path',
  },
  'manifests-unreadable': {
    meaning: 'a path given by --manifests cannot be listed or read',
    remedy: 'check owner and mode of the path and of the directories above it',
  },
  'service-cidr-invalid': {
    meaning: '--service-cidr is not one prefix per address family',
    remedy: 'give one prefix, or two of different families separated by a comma: 10.96.0.0/16,fd00:96::/112',
  },
  'node-port-range-invalid': {
    meaning: '--service-node-port-range is not a range of ports',
    remedy: 'write first-last or first+count, all within 1..65535: 30000-32767',
  },
  'kernel-refused': {
    meaning: 'this kernel, or how this process may use it, lacks something that bpfsvc cannot do without',
    remedy: '`bpfsvc check` shows everything that is asked of a kernel',
  },
  'cgroup2-missing': {
    meaning: 'no cgroup v2 hierarchy is mounted, by which connections of processes are seen',
    remedy: 'mount one, beside cgroup v1 too: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2',
  },
  'map-memory': {
    meaning: 'the kernel has no memory for a map of the size that it shall have',
    remedy:
      'give this machine, or the cgroup that bpfsvc runs in, more memory, or keep fewer flows: flows.entries in the file that --config names',
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>;

export type ErrorCode = keyof typeof CODES;

export class BpfsvcError extends Error {
  override readonly name = 'BpfsvcError';
  readonly code: ErrorCode;

  /** The message is `what`, followed by the remedy of the code. */
  constructor(code: ErrorCode, what: string, options?: ErrorOptions) {
    super(`${what}; ${CODES[code].remedy}`, options);
    this.code = code;
  }

  get meaning(): string {
    return CODES[this.code].meaning;
  }

  get remedy(): string {
    return CODES[this.code].remedy;
  }
}

/** Of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
