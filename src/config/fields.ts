// SPDX-License-Identifier: Apache-2.0
// Kinds of fields that configuration has beyond those of manifests. Messages complete a sentence that begins with the
// field's name: what stands there, what should.

import * as z from 'zod';
import { isIP } from 'node:net';
import { parseAddressLenient } from '../net/ip.ts';
import { parsePrefixLenient } from '../net/prefix.ts';
import { show } from '../sources/manifests/fields.ts';
import { parseDuration } from './duration.ts';

/** Names of fields that are not known are issues of their own (unrecognized_keys): who calls decides what they are. */
export function section<T extends z.core.$ZodLooseShape>(shape: T) {
  return z
    .strictObject(shape, {
      error: ({ code, input }) =>
        code === 'invalid_type' ? `${show(input)} is not a mapping; write fields as 'name: value'` : undefined,
    })
    .optional();
}

/** Accepted, whatever it is. */
export const anything = z.unknown();

/** Seconds. */
export const duration = z.union([z.string(), z.literal(0)], { error: badDuration }).transform((value, context) => {
  const seconds = value === 0 ? 0 : parseDuration(value);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: badDuration({ input: value }) });
  return z.NEVER;
});

export const number = z.number({ error: ({ input }) => `${show(input)} is not a number` });

export function checked(accepts: (text: string) => boolean, complaint: string) {
  return z.string({ error: ({ input }) => `${show(input)} is not a text; ${complaint}` }).refine(accepts, {
    error: ({ input }) => `${show(input)} ${complaint}`,
  });
}

/** As kube-proxy takes them: lenient, and empty for none. */
export const optionalAddress = checked(
  (text) => text === '' || parseAddressLenient(text) !== undefined,
  'is not an IP address; write it like 0.0.0.0 or ::',
);

/** `0.0.0.0:10256`, `[::]:10256`, an address alone (the port has a default), or nothing. */
export const optionalEndpoint = checked(
  isEndpoint,
  'is not an address with a port of 1..65535; write it like 127.0.0.1:10249 or [::1]:10249',
);

/** One prefix, or one of each family with a comma. */
export const optionalPrefixPair = checked((text) => {
  if (text === '') return true;
  const prefixes = text.split(',').map((part) => parsePrefixLenient(part));
  const families = new Set(prefixes.map((prefix) => prefix?.family));
  return !families.has(undefined) && families.size === prefixes.length;
}, 'is neither a prefix nor two of different families; write it like 10.244.0.0/16,fd00:10::/56');

// --- internal ---

function badDuration({ input }: { readonly input?: unknown }): string {
  return `${show(input)} is not a duration; write it like 30s, 15m or 1h30m`;
}

function isEndpoint(text: string): boolean {
  if (text === '' || isIP(text) !== 0) return true;
  const [, inBrackets, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const sound = inBrackets === undefined ? isIP(plain ?? '') === 4 : isIP(inBrackets) === 6;
  return sound && Number(port) >= 1 && Number(port) <= 65_535;
}
