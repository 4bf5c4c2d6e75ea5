// SPDX-License-Identifier: Apache-2.0
// The log: pino's JSON lines, or one readable line an event on a terminal. It goes to stderr, so that stdout is a
// command's result. Messages are constants, what varies is in fields.

import { styleText } from 'node:util';
import { destination, pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import type { LogLevel } from './log-levels.ts';

export type { Logger };

export interface LogOptions {
  readonly level: LogLevel;
  /** Instead of by what stderr is. */
  readonly json?: boolean | undefined;
}

export function createLogger({ level, json = !process.stderr.isTTY }: LogOptions): Logger {
  // Written at once: the last lines of a process that dies are those that matter.
  const stderr = destination({ fd: 2, sync: true });
  return loggerTo(json ? stderr : readable(stderr, colorOnStderr), level);
}

export function loggerTo(stream: DestinationStream, level: LogLevel): Logger {
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime }, stream);
}

/** Turns JSON lines into lines for people. */
export function readable(to: DestinationStream, color: Color = (_, text) => text): DestinationStream {
  return {
    write: (line) => {
      to.write(formatEvent(line, color));
    },
  };
}

// --- internal ---

type Style = 'dim' | 'red' | 'yellow' | 'green' | 'bold';
type Color = (style: Style, text: string) => string;

const LEVELS: Readonly<Record<number, readonly [name: string, style: Style]>> = {
  10: ['TRACE', 'dim'],
  20: ['DEBUG', 'dim'],
  30: ['INFO ', 'green'],
  40: ['WARN ', 'yellow'],
  50: ['ERROR', 'red'],
  60: ['FATAL', 'red'],
};

/** styleText itself looks at the stream and at NO_COLOR. */
function colorOnStderr(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stderr });
}

function formatEvent(line: string, color: Color): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const [name, style] = LEVELS[Number(level)] ?? [String(level), 'bold'];
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const rest = Object.entries(fields).map(([key, value]) => `${color('dim', `${key}=`)}${formatValue(value)}`);
  const text = [color('dim', clock), color(style, name), typeof msg === 'string' ? msg : '', ...rest].join(' ');
  return `${text}${formatError(err, color)}\n`;
}

function formatValue(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** On lines of their own: a verifier's log, a compiler's words, a stack. */
function formatError(error: unknown, color: Color): string {
  if (typeof error !== 'object' || error === null) return '';
  const { message, stack, verifierLog } = error as Record<string, unknown>;
  const said = [typeof stack === 'string' ? stack : message, verifierLog].filter((text) => typeof text === 'string');
  return said.map((text) => `\n${color('dim', indent(text))}`).join('');
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '    ');
}
