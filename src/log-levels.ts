// SPDX-License-Identifier: Apache-2.0
// The log's levels, apart from the log: a command line is parsed without loading pino.

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
