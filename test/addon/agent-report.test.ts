// SPDX-License-Identifier: Apache-2.0
// Reports in a pinned map: found again whole, whatever happened to who wrote them.

import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../src/kernel/addon.ts';
import { MAP_TYPE } from '../../src/kernel/constants.ts';
import { ensureBpffs } from '../../src/kernel/pins.ts';
import type { AgentReport, ReportedProblem } from '../../src/observe/agent-report.ts';
import { AgentReportMap } from '../../src/observe/agent-report.ts';
import { scratchDirectory } from '../support/leftovers.ts';
import { Namespace } from '../support/namespace.ts';
import { bpfDescriptors, bpfMappings } from '../support/kernel.ts';

const PIN = 'agent_report';

let namespace: Namespace;
let directory: string;

beforeEach(async () => {
  namespace = await Namespace.create();
  directory = path.join(scratchDirectory(namespace.prefix), 'bpf');
  ensureBpffs(directory);
});

afterEach(() => {
  rmSync(path.join(directory, PIN), { force: true });
  namespace[Symbol.dispose]();
});

function report(extra: Partial<AgentReport> = {}): AgentReport {
  const time = '2026-01-01T00:00:00.000Z';
  const state = 'ready' as const;
  return { pid: 7, node: 'n1', state, started: time, written: time, problems: [], problemsLeftOut: 0, ...extra };
}

function problem(message: string): ReportedProblem {
  return { about: 'manifests', message, since: '2026-01-01T00:00:00.000Z' };
}

function read(): AgentReport | undefined {
  using map = AgentReportMap.find(directory);
  return map?.read();
}

describe('AgentReportMap', () => {
  it('has nothing where nobody has written', () => {
    expect(read()).toBeUndefined();
    AgentReportMap.provide(directory)[Symbol.dispose]();
    expect(read()).toBeUndefined();
  });

  it('gives the last report to others, also after its writer and its successor have begun', () => {
    const first = AgentReportMap.provide(directory);
    for (const node of ['n1', 'n2', 'grüße', 'n4']) {
      first.write(report({ node }));
      expect(read()).toEqual(report({ node }));
    }
    first[Symbol.dispose]();
    using second = AgentReportMap.provide(directory);
    expect(read()).toEqual(report({ node: 'n4' }));
    second.write(report({ node: 'n5' }));
    expect(read()).toEqual(report({ node: 'n5' }));
  });

  it('still has the last report whole when the writer of the next has died halfway', () => {
    using map = AgentReportMap.provide(directory);
    map.write(report({ node: 'last' }));
    map.write(report({ node: 'lost' }));
    // As it was before the number was raised.
    const pinned = addon.openPinnedMap(path.join(directory, PIN));
    const memory = pinned.mmap(0, 4096);
    Atomics.sub(new Uint32Array(memory), 0, 1);
    pinned.munmap(memory);
    pinned.close();
    expect(read()).toEqual(report({ node: 'last' }));
  });

  it('leaves out the problems that find no room, and says how many', () => {
    using map = AgentReportMap.provide(directory);
    const problems = Array.from({ length: 5000 }, (_, i) => problem(`${i} ${'ü'.repeat(100)}`));
    map.write(report({ problems }));
    const found = read();
    expect(found?.problems.length).toBeGreaterThan(100);
    expect(found?.problems).toEqual(problems.slice(0, found?.problems.length));
    expect((found?.problemsLeftOut ?? 0) + (found?.problems.length ?? 0)).toBe(5000);
    map.write(report({ problems: [problem('x'.repeat(1_000_000))] }));
    expect(read()?.problems[0]?.message).toMatch(/^x{1000,3000}…$/);
  });

  it('replaces a map of another form, and does not read one', () => {
    const pin = path.join(directory, PIN);
    const other = addon.createMap({
      type: MAP_TYPE.ARRAY,
      name: PIN,
      keySize: 4,
      valueSize: 8,
      maxEntries: 1,
      flags: 0,
    });
    other.pin(pin);
    other.close();
    expect(read()).toBeUndefined();
    using map = AgentReportMap.provide(directory);
    map.write(report());
    expect(read()).toEqual(report());
  });

  it('leaves no descriptor and no mapping behind', () => {
    const before = [bpfDescriptors().size, bpfMappings()];
    for (let i = 0; i < 100; i++) {
      using map = AgentReportMap.provide(directory);
      map.write(report());
      read();
    }
    expect([bpfDescriptors().size, bpfMappings()]).toEqual(before);
  });
});
