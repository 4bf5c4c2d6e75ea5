// SPDX-License-Identifier: Apache-2.0
// Defaults that help texts and commands share.

export const DEFAULT_BPFFS = '/sys/fs/bpf';
