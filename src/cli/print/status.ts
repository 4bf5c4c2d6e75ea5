// SPDX-License-Identifier: Apache-2.0
// The table of `bpfsvc status`.

import type { Attachment } from '../../observe/attachments.ts';
import type { AgentReport } from '../../observe/agent-report.ts';
import type { AgentStatus, Fill, Status } from '../../observe/status.ts';
import { formatTable } from './table.ts';

export function statusTable(status: Status): string[] {
  const { services, frontends, backends, sets, tables } = status;
  return formatTable(
    [{ header: '' }, { header: '' }],
    [
      ['datapath', status.directory],
      ...status.otherFingerprints.map((other) => ['', `beside it ${other}, left by another version`]),
      ...label('agent', agentLines(status.agent)),
      ...label('problems', problemLines(status.agent)),
      ...label('attached', attachmentLines(status.attachments)),
      ['services', `${fillText(services)} ports of Services, ${fillText(frontends)} frontends`],
      ['backends', `${fillText(backends)}, ${String(backends.retired)} retired`],
      ['sets', `${String(sets.hash)} with backends, ${String(sets.reject)} refuse, ${String(sets.drop)} stay silent`],
      ['tables', `${String(tables.count)}, ${String(tables.slots)} slots in ${plural(tables.segments, 'segment')}`],
      ['flows', `IPv4 ${fillText(status.flows4)}, IPv6 ${fillText(status.flows6)}`],
      ['sockets', fillText(status.sockets)],
      ...label('UDP', udpLines(status)),
      ...label('drops', dropLines(status)),
    ],
    false,
  );
}

// --- internal ---

function agentLines({ running, pid, report }: AgentStatus): string[] {
  const lives = running ? `running (pid ${String(pid)})` : 'not running';
  if (report === null) return [lives];
  const { node, started, written, state } = report;
  const history = `on node ${node} since ${timeText(started)}, last report of ${timeText(written)}`;
  return [running ? `${lives}, ${state}` : `${lives}; ${endText(report)}`, history];
}

function endText({ pid, state }: AgentReport): string {
  return `the last one (pid ${String(pid)}) ${state === 'stopped' ? 'has stopped' : `was ${state} and ended without a word`}`;
}

/** Whoever does not run any more has no problems, but may have left some. */
function problemLines({ running, report }: AgentStatus): string[] {
  if (report === null) return ['unknown, there is no report'];
  const { problems, problemsLeftOut } = report;
  if (problems.length === 0) return [running ? 'none' : 'none in the last report'];
  return [
    ...(running ? [] : ['in the last report:']),
    ...problems.map(({ about, message, since }) => `${about}: ${message} (since ${timeText(since)})`),
    ...(problemsLeftOut > 0 ? [`and ${String(problemsLeftOut)} more`] : []),
  ];
}

/** `2026-11-21 07:14:44 UTC` */
function timeText(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`;
}

function label(name: string, lines: readonly string[]): string[][] {
  return lines.map((line, index) => [index === 0 ? name : '', line]);
}

function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function fillText({ rows, capacity }: Fill): string {
  return `${String(rows)} of ${String(capacity)}`;
}

/** One line a place. */
function attachmentLines(attachments: readonly Attachment[]): string[] {
  const places = Map.groupBy(attachments, ({ kind, to, by }) => `${kind} ${to}${by === 'clsact' ? ' (clsact)' : ''}`);
  const lines = [...places].map(([place, of]) => `${place}: ${of.map(({ program }) => program).join(' ')}`);
  return lines.length === 0 ? ['to nothing'] : lines;
}

/** A second line only for what should be no longer. */
function udpLines({ udpMoves: { flows, sockets, ended, waiting, survivors } }: Status): string[] {
  const moved = `moved off backends that ceased to serve: ${String(flows)} flows, ${String(sockets)} sockets`;
  const left = `left there: ${String(waiting)} sockets wait for a backend, ${String(survivors)} could not be moved`;
  return [
    ended > 0n ? `${moved}; ${String(ended)} sockets could only be ended` : moved,
    ...(waiting + survivors > 0n ? [left] : []),
  ];
}

function dropLines({ drops }: Status): string[] {
  const counted = drops.filter(({ packets }) => packets > 0n);
  if (counted.length === 0) return ['none'];
  return counted.map(({ reason, packets, bytes }) => `${reason} ${String(packets)} packets, ${String(bytes)} bytes`);
}
