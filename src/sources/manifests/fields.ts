// SPDX-License-Identifier: Apache-2.0
// The kinds of fields that manifests are made of, as zod schemas whose messages say what stands there and what should.
// Every field is checked, whatever is wrong with its neighbours: all mistakes of a file are told at once.

import * as z from 'zod';
import type { Address } from '../../net/ip.ts';
import { addressBytes, family, parseAddress, parseAddressLenient } from '../../net/ip.ts';
import { containsBytes, parsePrefix, parsePrefixLenient, prefixText } from '../../net/prefix.ts';
import type { Prefix } from '../../net/prefix.ts';
import { HEADLESS } from '../kubernetes/convert.ts';
import { isDnsLabel, isDnsSubdomain, isIanaPortName } from './names.ts';
import type { FieldPath, Issue } from './problem.ts';

/** `complaint` gets the value, never undefined, and completes a sentence that begins with it. */
function field<T>(accepts: (value: unknown) => boolean, remedy: string, complaint: (value: unknown) => string) {
  return z.custom<T>(accepts, {
    abort: false,
    error: ({ input }) =>
      input === undefined ? `is missing; ${remedy}` : `${show(input)} ${complaint(input)}; ${remedy}`,
  });
}

function textField<T extends string = string>(
  accepts: (value: string) => boolean,
  remedy: string,
  complaint: (value: string) => string,
) {
  return field<T>(
    (value) => typeof value === 'string' && accepts(value),
    remedy,
    (value) => (typeof value === 'string' ? complaint(value) : notText(value)),
  );
}

export const text = textField(
  () => true,
  'write a text',
  () => '',
);

export const bool = z.preprocess(
  // What YAML 1.1, and so kubectl, reads as a boolean.
  (value) => (typeof value === 'string' ? (BOOLEANS.get(value.toLowerCase()) ?? value) : value),
  field<boolean>(
    (value) => typeof value === 'boolean',
    'use true or false',
    () => 'is not a boolean',
  ),
);
const BOOLEANS = new Map([
  ['yes', true],
  ['on', true],
  ['no', false],
  ['off', false],
]);

export const dnsLabel = textField(
  isDnsLabel,
  "use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
  () => 'is not a DNS label',
);

export const dnsSubdomain = textField(
  isDnsSubdomain,
  "use at most 253 lower-case letters, digits, '-' and '.', each part with a letter or digit at both ends",
  () => 'is not a DNS name',
);

/** The empty name is a name: the one of a single port. */
export const portName = textField(
  (value) => value === '' || isDnsLabel(value),
  "use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
  () => 'is not a port name',
);

export const portNumber = field<number>(
  (value) => isPort(value),
  'use 1..65535',
  (value) => (typeof value === 'string' ? 'is a text, not a port number' : 'is not a port number'),
);

export const targetPort = field<number | string>(
  (value) => isPort(value) || (typeof value === 'string' && isIanaPortName(value)),
  'use 1..65535 or the name of a container port (at most 15 lower-case letters, digits and -)',
  () => 'is neither a port number nor a port name',
);

export function integer(first: number, last: number) {
  return field<number>(
    (value) => Number.isInteger(value) && Number(value) >= first && Number(value) <= last,
    `use a number of ${first}..${last}`,
    (value) => (typeof value === 'number' ? 'is out of range' : 'is not a number'),
  );
}

export function oneOf<T extends string>(values: readonly T[]) {
  return textField<T>(
    (value) => (values as readonly string[]).includes(value),
    `use ${listText(values)}`,
    () => 'is not known',
  );
}

export const address = textField(
  (value) => parseAddress(value) !== undefined,
  'write it like 192.0.2.10 or 2001:db8::10',
  badAddress,
);

/** `None` makes a Service headless, the empty text asks for an address. */
export const clusterIP = textField(
  (value) => value === '' || value === HEADLESS || parseAddress(value) !== undefined,
  `write it like 10.96.0.10 or fd00:96::10, ${HEADLESS} for a headless Service, or leave it out`,
  badAddress,
);

export const prefix = textField(
  (value) => parsePrefix(value.trim()) !== undefined,
  'write it like 192.0.2.0/24 or 2001:db8::/64',
  badPrefix,
);

export const textMap = z.record(z.string(), text, { error: notAMapping });

export function mapping<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.object(shape, { error: notAMapping });
}

export function list<T extends z.ZodType>(of: T) {
  return z.array(of, {
    error: ({ input }) =>
      input === undefined ? 'is missing; write a list' : `${show(input)} is not a list; begin each item with '- '`,
  });
}

/** A check across fields. It runs even when some of them are wrong, so it must not trust their types. */
export function across<T>(check: (value: T) => Iterable<Issue>): z.core.CheckFn<T> {
  return ({ value, issues }) => {
    for (const { path, message } of check(value)) {
      issues.push({ code: 'custom', path: [...path], message, input: value, continue: true });
    }
  };
}

export function issue(path: FieldPath, message: string): Issue {
  return { path, message };
}

/**
 * Why an address cannot be a backend's or an external one, or undefined: such addresses mean something else on every
 * node. Values that are no address are somebody else's complaint.
 */
export function specialAddress(value: unknown): string | undefined {
  const parsed = typeof value === 'string' ? parseAddress(value) : undefined;
  if (parsed === undefined) return undefined;
  const bytes = addressBytes(parsed);
  const of = family(parsed);
  const range = SPECIAL.find(({ prefix }) => prefix.family === of && containsBytes(prefix, bytes));
  return range && `${parsed} is ${range.what} (${prefixText(range.prefix)}); use an address that other hosts can reach`;
}

const SPECIAL: readonly { readonly prefix: Prefix; readonly what: string }[] = (
  [
    ['0.0.0.0/32', 'the unspecified address'],
    ['::/128', 'the unspecified address'],
    ['127.0.0.0/8', 'a loopback address'],
    ['::1/128', 'a loopback address'],
    ['169.254.0.0/16', 'a link-local address'],
    ['fe80::/10', 'a link-local address'],
    ['224.0.0.0/4', 'a multicast address'],
    ['ff00::/8', 'a multicast address'],
    ['255.255.255.255/32', 'the broadcast address'],
  ] as const
).flatMap(([range, what]) => {
  const prefix = parsePrefix(range);
  return prefix === undefined ? [] : [{ prefix, what }];
});

export function familyText(of: Address): 'IPv4' | 'IPv6' {
  return family(of) === 4 ? 'IPv4' : 'IPv6';
}

/** A value as the reader will recognise it, cut short. */
export function show(value: unknown): string {
  const shown = typeof value === 'object' && value !== null ? shape(value) : JSON.stringify(value);
  return shown.length <= 60 ? shown : `${shown.slice(0, 57)}...`;
}

export function listText(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}`;
}

function shape(value: object): string {
  return Array.isArray(value) ? 'a list' : 'a mapping';
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;
}

function notText(value: unknown): string {
  if (typeof value === 'number') return 'is a number where a text belongs, put it in quotes';
  if (typeof value === 'boolean') return 'is a boolean where a text belongs, put it in quotes';
  return 'is not a text';
}

function notAMapping({ input }: { readonly input?: unknown }): string {
  return input === undefined
    ? 'is missing; write a mapping'
    : `${show(input)} is not a mapping; write fields as 'name: value'`;
}

function badAddress(value: string): string {
  const meant = parseAddressLenient(value);
  return meant === undefined ? 'is not an IP address' : `is ambiguous, some read it in other ways than ${meant}`;
}

function badPrefix(value: string): string {
  const meant = parsePrefixLenient(value);
  return meant === undefined ? 'is not a prefix' : `is not exact, ${prefixText(meant)} would be`;
}
