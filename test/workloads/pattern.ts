// SPDX-License-Identifier: Apache-2.0
// Bytes that follow from their offset, so that a receiver can tell a lost, doubled or foreign piece of a stream.

/** Prime, so that no packet, segment or buffer size divides it. */
const PERIOD = 251;
const CHUNK = 64 * 1024;

const bytes = Buffer.alloc(CHUNK + PERIOD);
for (let i = 0; i < bytes.length; i++) bytes[i] = i % PERIOD;

export function patternAt(offset: number, length: number): Buffer {
  const start = offset % PERIOD;
  return bytes.subarray(start, start + Math.min(length, CHUNK));
}

export function matchesPattern(offset: number, data: Buffer): boolean {
  for (let at = 0; at < data.length;) {
    const wanted = patternAt(offset + at, data.length - at);
    if (wanted.compare(data, at, at + wanted.length) !== 0) return false;
    at += wanted.length;
  }
  return true;
}
