// SPDX-License-Identifier: Apache-2.0
// Conditions of endpoints, as they stand in slices.

export const NOT_READY = { ready: false, serving: false, terminating: false } as const;
export const DRAINING = { ready: false, serving: true, terminating: true } as const;
/** Terminating, and no longer serving. */
export const GONE = { ready: false, serving: false, terminating: true } as const;
