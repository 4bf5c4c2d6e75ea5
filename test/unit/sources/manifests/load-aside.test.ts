// SPDX-License-Identifier: Apache-2.0
// A file read by another process means what it means here.

import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Store } from '../../../../src/model/store.ts';
import type { AsideRequest } from '../../../../src/sources/manifests/load-aside.ts';
import { loadAside } from '../../../../src/sources/manifests/load-aside.ts';
import type { LoadedFile } from '../../../../src/sources/manifests/load.ts';
import { loadText } from '../../../../src/sources/manifests/load.ts';
import { ManifestSource } from '../../../../src/sources/manifests/manifest-source.ts';
import { ObjectReader } from '../../../../src/sources/manifests/objects.ts';
import { DEFAULT_NODE_PORTS } from '../../../../src/sources/manifests/port-range.ts';
import { problemText } from '../../../../src/sources/manifests/problem.ts';
import { stampOf } from '../../../../src/sources/manifests/walk.ts';
import { waitFor } from '../../../support/wait.ts';
import { CIDRS, endpoints, node, service, slice, yaml } from './build.ts';

/** For a machine that is busy with everything else. */
const PATIENCE = { deadlineMs: 60_000 };

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bpfsvc-large-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

async function aside(text: string, known?: LoadedFile['pieces']): Promise<LoadedFile> {
  const file = join(directory, 'x.yaml');
  writeFileSync(file, text);
  const stamp = stampOf(statSync(file, { bigint: true }));
  const { end, loaded } = await loadAside({ file, stamp, digest: undefined, nodePorts: DEFAULT_NODE_PORTS }, known);
  expect(end).toMatchObject({ outcome: 'read', complaint: undefined });
  return loaded;
}

/** Without the directory, which is not the same each time. */
const told = ({ problems }: LoadedFile): string[] =>
  problems.map((problem) => problemText({ ...problem, file: 'x.yaml' }));

function here(text: string): LoadedFile {
  const steps = loadText(text, 'x.yaml', new ObjectReader(DEFAULT_NODE_PORTS));
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

const objects = (port: number) => [
  ...Array.from({ length: 600 }, (_, i) => service(`s${i}`, { ports: [{ port: i === 300 ? port : 80 }] })),
  slice('s1', {
    endpoints: [{ addresses: ['192.0.2.1'], nodeName: 'n', zone: 'z', hints: { forZones: [{ name: 'z' }] } }],
  }),
  endpoints('s2', { addresses: [{ ip: '192.0.2.2' }], ports: [{ port: 1 }] }),
  node('n'),
  { apiVersion: 'v1', kind: 'Pod' },
];
const list = (port: number) => ({ apiVersion: 'v1', kind: 'List', items: objects(port) });
const forms: [string, (port: number) => string][] = [
  ['documents', (port) => yaml(...objects(port))],
  ['a list', (port) => yaml(list(port))],
  ['JSON', (port) => JSON.stringify(list(port), null, 2)],
];

describe.each(forms)('%s in another process', (_, write) => {
  it('are the same objects in the same places', async () => {
    const [there, expected] = [await aside(write(80)), here(write(80))];
    expect(there.objects).toEqual(expected.objects);
    expect(there.objects).toHaveLength(603);
    expect([there.problems, [...there.skipped]]).toEqual([[], ['v1 Pod']]);
  });

  it('are the very objects of before where the text is the same', async () => {
    const before = await aside(write(80));
    const after = await aside(write(81), before.pieces);
    const changed = after.objects.filter(({ object }, i) => object !== before.objects[i]?.object);
    expect(changed.map(({ object }) => object.label)).toEqual(['Service default/s300']);
  });

  it('have the same problems, also when all but them is known', async () => {
    const expected = told(here(write(0)));
    const first = await aside(write(0));
    const again = await aside(write(0), first.pieces);
    expect(expected).toEqual([
      expect.stringMatching(/^x\.yaml:\d+:\d+: Service default\/s300: spec\.ports\[0\]\.port: 0 is not/),
    ]);
    expect(told(first)).toEqual(expected);
    expect(told(again)).toEqual(expected);
    expect(again.objects).toHaveLength(602);
  });
});

describe('an endpoint', () => {
  it('keeps all that is said of it', async () => {
    const endpoint = {
      addresses: ['192.0.2.1'],
      conditions: { ready: false, serving: true, terminating: true },
      nodeName: 'n',
      zone: 'z',
      hints: { forZones: [{ name: 'a' }, { name: 'b' }], forNodes: [{ name: 'n' }] },
    };
    const text = yaml(slice('a', { endpoints: [endpoint] }));
    for (const { objects: read } of [here(text), await aside(text)]) {
      const object = read[0]?.object;
      expect(object?.kind === 'EndpointSlice' && object.slices[0]?.endpoints[0]).toEqual({
        address: '192.0.2.1',
        state: {
          ready: false,
          serving: true,
          terminating: true,
          nodeName: 'n',
          zone: 'z',
          forZones: ['a', 'b'],
          forNodes: ['n'],
        },
      });
    }
  });
});

describe('a reading', () => {
  const end = async (content: string | Uint8Array, changes: Partial<AsideRequest> = {}) => {
    const file = join(directory, 'x.yaml');
    writeFileSync(file, content);
    const stamp = stampOf(statSync(file, { bigint: true }));
    const request = { file, stamp, digest: undefined, nodePorts: DEFAULT_NODE_PORTS, ...changes };
    return (await loadAside(request)).end;
  };

  it('is not made of content that is known', async () => {
    expect(await end('a: b', { digest: hash('sha256', 'a: b') })).toEqual({ outcome: 'same' });
  });

  it('is not made of a file that is another than the one that was seen, or has gone', async () => {
    expect(await end('a: b', { stamp: '1:2:3' })).toEqual({ outcome: 'moved' });
    expect(await end('a: b', { file: join(directory, 'gone.yaml') })).toEqual({ outcome: 'moved' });
  });

  it('tells what keeps it from reading', async () => {
    const reason = 'EISDIR: illegal operation on a directory, read';
    expect(await end('a: b', { file: directory })).toEqual({ outcome: 'unread', reason });
  });

  it('complains of what is no UTF-8', async () => {
    expect(await end(Uint8Array.of(0x61, 0xff))).toMatchObject({ complaint: 'is not UTF-8; save it in this encoding' });
  });
});

describe('YAML that is broken', () => {
  it('is told with its place', async () => {
    const text = `${yaml(...objects(80))}---\na:\n  - b\n c: d\n`;
    expect(told(await aside(text))).toEqual(told(here(text)));
    expect((await aside(text)).problems).toHaveLength(1);
  });
});

/** Processes that read for this one. */
function readers(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => isReader(pid)).map(Number);
}

function isReader(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('load-process');
  } catch {
    return false;
  }
}

describe('a large file', () => {
  const filler = `# ${'x'.repeat(1000)}\n`.repeat(600);
  let store: Store;
  let source: ManifestSource;
  const port = () => store.services.get('default/s300')?.ports[0]?.port;
  const put = (text: string): void => {
    const path = join(directory, 'large.yaml');
    writeFileSync(`${path}.tmp`, text);
    renameSync(`${path}.tmp`, path);
  };

  beforeEach(() => {
    store = new Store();
    const log = { info: () => undefined, warn: () => undefined };
    const options = { serviceCidrs: CIDRS, nodePortRange: DEFAULT_NODE_PORTS, store, log };
    source = new ManifestSource({ paths: [directory], ...options });
  });

  afterEach(() => source.stop());

  it('is not read when its reader is killed, and read again', async () => {
    put(filler + yaml(...objects(80)));
    const starting = source.start();
    await waitFor('a reader', () => readers().length > 0, PATIENCE);
    for (const pid of readers()) process.kill(pid, 'SIGKILL');
    await starting;
    expect(source.problems().map(problemText)).toEqual([
      `${join(directory, 'large.yaml')}: cannot be read: the process that reads it ended with SIGKILL; see that there is memory`,
    ]);
    put(filler + yaml(...objects(81)));
    await waitFor('the next reading', () => source.problems().length === 0 && port() === 81, PATIENCE);
    expect(readers()).toEqual([]);
  });

  it('is read, edited and broken like any other', async () => {
    for (const [name, write] of forms) {
      const text = (number: number) => (name === 'JSON' ? write(number) + ' '.repeat(600_000) : filler + write(number));
      put(text(80));
      if (!store.synced || store.services.size === 0) await source.start();
      await waitFor(`${name}: first`, () => port() === 80, PATIENCE);
      put(text(81));
      await waitFor(`${name}: edited`, () => port() === 81, PATIENCE);
      put(text(0));
      await waitFor(`${name}: wrong`, () => source.problems().length === 1, PATIENCE);
      expect(port()).toBe(81);
      put(text(82));
      await waitFor(`${name}: right again`, () => source.problems().length === 0 && port() === 82, PATIENCE);
    }
    expect(store.services.size).toBe(600);
  });
});
