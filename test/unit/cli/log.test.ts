// SPDX-License-Identifier: Apache-2.0
// The log's two forms.

import { describe, expect, it } from 'vitest';
import { loggerTo, readable } from '../../../src/log.ts';
import type { Logger } from '../../../src/log.ts';

function capture(json: boolean, level: 'info' | 'debug' = 'info'): { log: Logger; text: () => string } {
  let text = '';
  const stream = {
    write: (piece: string): void => {
      text += piece;
    },
  };
  return { log: loggerTo(json ? stream : readable(stream), level), text: () => text };
}

describe('the log', () => {
  it('is one JSON object a line, with time and level, without pid and host', () => {
    const { log, text } = capture(true);
    log.info({ services: 3 }, 'ready');
    log.debug('not this');
    expect(JSON.parse(text())).toEqual({
      level: 30,
      time: expect.stringMatching(/Z$/) as string,
      services: 3,
      msg: 'ready',
    });
  });

  it('is a readable line on a terminal', () => {
    const { log, text } = capture(false);
    log.warn({ file: 'a b.yaml', line: 3, devices: ['eth0'] }, 'skipped');
    expect(text()).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}skipped file="a b\.yaml" line=3 devices=\["eth0"\]\n$/);
  });

  it('shows an error with its stack on lines of their own', () => {
    const { log, text } = capture(false);
    log.error({ err: Object.assign(new Error('broken'), { verifierLog: '1: bad' }) }, 'cannot load');
    expect(text()).toMatch(/ ERROR cannot load\n {4}Error: broken\n {8}at .*\n {4}1: bad\n$/s);
  });
});
