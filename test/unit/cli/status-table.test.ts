// SPDX-License-Identifier: Apache-2.0
// What `bpfsvc status` says of the agent to people.

import { describe, expect, it } from 'vitest';
import { statusTable } from '../../../src/cli/print/status.ts';
import type { AgentReport } from '../../../src/observe/agent-report.ts';
import type { AgentStatus, Status } from '../../../src/observe/status.ts';

const FILL = { rows: 1, capacity: 2 };

const REPORT: AgentReport = {
  pid: 7,
  node: 'n1',
  state: 'ready',
  started: '2026-01-01T00:00:00.000Z',
  written: '2026-01-02T03:04:05.678Z',
  problems: [],
  problemsLeftOut: 0,
};
const PROBLEM = { about: 'manifests', message: 'a.yaml: is empty', since: '2026-01-01T01:00:00.000Z' };
const HISTORY = '          on node n1 since 2026-01-01 00:00:00 UTC, last report of 2026-01-02 03:04:05 UTC';

const NO_MOVES = { flows: 0n, sockets: 0n, ended: 0n, waiting: 0n, survivors: 0n };

function statusOf(agent: AgentStatus, udpMoves: Status['udpMoves'] = NO_MOVES): Status {
  return {
    fingerprint: 'f',
    directory: '/d',
    otherFingerprints: [],
    agent,
    attachments: [],
    services: FILL,
    frontends: FILL,
    backends: { ...FILL, retired: 0 },
    sets: { hash: 0, reject: 0, drop: 0 },
    tables: { count: 0, slots: 0, segments: 1 },
    flows4: FILL,
    flows6: FILL,
    sockets: FILL,
    udpMoves,
    drops: [],
  };
}

function lines(agent: AgentStatus): string[] {
  const table = statusTable(statusOf(agent));
  return table.slice(
    1,
    table.findIndex((line) => line.startsWith('attached')),
  );
}

describe('statusTable', () => {
  it('shows an agent that lives, and what it complains of', () => {
    const live = { running: true, pid: 4711 };
    expect(lines({ ...live, report: REPORT })).toEqual([
      'agent     running (pid 4711), ready',
      HISTORY,
      'problems  none',
    ]);
    const problems = [PROBLEM, { ...PROBLEM, about: 'host', message: 'no uplink' }];
    expect(lines({ ...live, report: { ...REPORT, problems, problemsLeftOut: 3 } }).slice(2)).toEqual([
      'problems  manifests: a.yaml: is empty (since 2026-01-01 01:00:00 UTC)',
      '          host: no uplink (since 2026-01-01 01:00:00 UTC)',
      '          and 3 more',
    ]);
    expect(lines({ ...live, report: null })).toEqual([
      'agent     running (pid 4711)',
      'problems  unknown, there is no report',
    ]);
  });

  it('tells how an agent ended that lives no more, and marks its problems as what it left', () => {
    const dead = { running: false, pid: null };
    expect(lines({ ...dead, report: REPORT })).toEqual([
      'agent     not running; the last one (pid 7) was ready and ended without a word',
      HISTORY,
      'problems  none in the last report',
    ]);
    expect(lines({ ...dead, report: { ...REPORT, state: 'stopped', problems: [PROBLEM] } })).toEqual([
      'agent     not running; the last one (pid 7) has stopped',
      HISTORY,
      'problems  in the last report:',
      '          manifests: a.yaml: is empty (since 2026-01-01 01:00:00 UTC)',
    ]);
  });

  it('counts UDP that was moved, and adds what was ended and what is left only when there is any', () => {
    const agent = { running: true, pid: 1, report: null };
    const udpLines = (moves: Partial<Status['udpMoves']>): string[] => {
      const table = statusTable(statusOf(agent, { ...NO_MOVES, ...moves }));
      const from = table.findIndex((line) => line.startsWith('UDP'));
      return table.slice(
        from,
        table.findIndex((line) => line.startsWith('drops')),
      );
    };
    const moved = 'UDP       moved off backends that ceased to serve: 7 flows, 3 sockets';
    expect(udpLines({ flows: 7n, sockets: 3n })).toEqual([moved]);
    expect(udpLines({ flows: 7n, sockets: 3n, ended: 2n, waiting: 1n })).toEqual([
      `${moved}; 2 sockets could only be ended`,
      '          left there: 1 sockets wait for a backend, 0 could not be moved',
    ]);
    expect(udpLines({ flows: 7n, sockets: 3n, survivors: 4n })).toEqual([
      moved,
      '          left there: 0 sockets wait for a backend, 4 could not be moved',
    ]);
  });
});
