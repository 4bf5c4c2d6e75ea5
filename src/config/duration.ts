// SPDX-License-Identifier: Apache-2.0
// Durations as Go writes them and kube-proxy's configuration holds them: `24h0m0s`, `1.5s`, `0`.

const SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** In seconds; undefined: not a duration. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const unsigned = text.replace(/^[-+]/, '');
  if (unsigned === '0') return 0;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(unsigned)) return undefined;
  let sum = 0;
  for (const [, number, unit] of unsigned.matchAll(/([\d.]+)([^\d.]+)/g)) {
    sum += Number(number) * (SECONDS[unit ?? ''] ?? 0);
  }
  return sign * sum;
}
