// SPDX-License-Identifier: Apache-2.0
// Manifests in real directories, with real events: what is written there comes to the store, whatever way it is
// written.

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Store } from '../../../../src/model/store.ts';
import type { ManifestSourceOptions } from '../../../../src/sources/manifests/manifest-source.ts';
import { ManifestSource } from '../../../../src/sources/manifests/manifest-source.ts';
import { DEFAULT_NODE_PORTS } from '../../../../src/sources/manifests/port-range.ts';
import type { Problem } from '../../../../src/sources/manifests/problem.ts';
import { problemText } from '../../../../src/sources/manifests/problem.ts';
import { waitFor } from '../../../support/wait.ts';
import { CIDRS, node, service, slice, yaml } from './build.ts';

/** For a machine that is busy with everything else. */
const PATIENCE = { deadlineMs: 60_000 };

let root: string;
let directory: string;
let source: ManifestSource | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bpfsvc-manifests-'));
  directory = join(root, 'manifests');
  mkdirSync(directory);
});

afterEach(async () => {
  await source?.stop();
  source = undefined;
  rmSync(root, { recursive: true, force: true });
});

class Recorder extends Store {
  /** Calls that changed something, as `set a`, `delete default/a`. */
  readonly calls: string[] = [];

  override setService(...args: Parameters<Store['setService']>): void {
    this.calls.push(`set ${args[0].name}`);
    super.setService(...args);
  }

  override deleteService(...args: Parameters<Store['deleteService']>): void {
    this.calls.push(`delete ${args[0]}`);
    super.deleteService(...args);
  }

  override setSlice(...args: Parameters<Store['setSlice']>): void {
    this.calls.push(`set slice ${args[0].name}`);
    super.setSlice(...args);
  }

  override deleteSlice(...args: Parameters<Store['deleteSlice']>): void {
    this.calls.push(`delete slice ${args[0].name}`);
    super.deleteSlice(...args);
  }
}

interface Running {
  readonly store: Recorder;
  readonly source: ManifestSource;
  readonly log: string[];
  readonly told: (readonly Problem[])[];
  /** Waits until the store has exactly these Services, as `name:port`. */
  readonly has: (...services: string[]) => Promise<void>;
  readonly problem: (part: string) => Promise<string>;
  readonly solved: () => Promise<void>;
}

async function run(...paths: string[]): Promise<Running> {
  return runWith({}, ...paths);
}

async function runWith(extra: Pick<ManifestSourceOptions, 'held'>, ...paths: string[]): Promise<Running> {
  const store = new Recorder();
  const log: string[] = [];
  const told: (readonly Problem[])[] = [];
  const write = (fields: object, message: string): void => {
    log.push(`${message} ${JSON.stringify(fields)}`);
  };
  const started = new ManifestSource({
    paths: paths.length > 0 ? paths : [directory],
    serviceCidrs: CIDRS,
    nodePortRange: DEFAULT_NODE_PORTS,
    store,
    log: { info: write, warn: write },
    ...extra,
  });
  source = started;
  started.on('problems', (problems) => told.push(problems));
  await started.start();
  const texts = () => started.problems().map(problemText);
  return {
    store,
    source: started,
    log,
    told,
    has: async (...services) => {
      const wanted = services.toSorted().join(' ');
      await waitFor(`the Services are ${wanted}`, () => servicesOf(store) === wanted, PATIENCE);
    },
    problem: (part) => waitFor(`a problem with ${part}`, () => texts().find((text) => text.includes(part)), PATIENCE),
    solved: async () => {
      await waitFor('no problem is left', () => texts().length === 0, PATIENCE);
    },
  };
}

function servicesOf(store: Store): string {
  return Array.from(store.services.values(), ({ name, ports }) => `${name}:${ports[0]?.port ?? ''}`)
    .sort()
    .join(' ');
}

const web = (name: string, port = 80) => service(name, { ports: [{ port }] });

function put(name: string, ...objects: unknown[]): string {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, yaml(...objects));
  return path;
}

/** As a careful writer does it: whole under another name, then renamed. */
function replace(name: string, ...objects: unknown[]): void {
  renameSync(put(`${name}.tmp`, ...objects), join(directory, name));
}

describe('at the start', () => {
  it('everything is in the store, and the store is synced', async () => {
    put('a.yaml', web('a'), slice('a'), node('n'));
    put('deep/er/b.yml', web('b'));
    writeFileSync(join(directory, 'c.json'), JSON.stringify(web('c')));
    const { store } = await run();
    expect(servicesOf(store)).toBe('a:80 b:80 c:80');
    expect(store.slices.get('default/a')?.[0]?.endpoints[0]?.address).toBe('192.0.2.10');
    expect([...store.nodes.keys()]).toEqual(['n']);
    expect(store.synced).toBe(true);
  });

  it('names that are not those of manifests are left alone', async () => {
    for (const name of ['.a.yaml', 'a.yaml.tmp', 'a.tmp', 'a.txt', 'a.yaml~', '.hidden/a.yaml', 'x.tmp/a.yaml'])
      put(name, web('wrong'));
    mkdirSync(join(directory, 'directory.yaml'));
    put('directory.yaml/a.yaml', web('a'));
    const { store } = await run();
    expect(servicesOf(store)).toBe('a:80');
  });

  it('several paths and a file of any name can be given', async () => {
    put('one/a.yaml', web('a'));
    put('two/b.yaml', web('b'));
    const { store } = await run(join(directory, 'one'), put('my-services', web('c')));
    expect(servicesOf(store)).toBe('a:80 c:80');
  });

  it('a path that does not exist ends it', async () => {
    const missing = join(directory, 'nothing');
    await expect(run(missing)).rejects.toThrow(
      `--manifests ${missing}: there is no such path; make the directory or file, or correct the path`,
    );
  });

  it('an invalid file holds back neither its good objects nor its neighbours', async () => {
    put('a.yaml', web('a'));
    put('b.yaml', web('b'), web('Wrong'));
    const { store, has, solved, problem } = await run();
    expect(servicesOf(store)).toBe('a:80 b:80');
    expect(store.synced).toBe(true);
    await problem('b.yaml:12:9: Service default/Wrong: metadata.name: "Wrong" is not a DNS label');
    put('b.yaml', web('b'), web('right'));
    await has('a:80', 'b:80', 'right:80');
    await solved();
  });

  it('links are followed, and circles end', async () => {
    put('a.yaml', web('a'));
    mkdirSync(join(root, 'elsewhere'));
    writeFileSync(join(root, 'elsewhere', 'b.yaml'), yaml(web('b')));
    symlinkSync(join(root, 'elsewhere'), join(directory, 'linked'));
    symlinkSync(directory, join(root, 'elsewhere', 'back'));
    symlinkSync('nowhere.yaml', join(directory, 'dangling.yaml'));
    const { store, source: running } = await run();
    expect(servicesOf(store)).toBe('a:80 b:80');
    expect(running.problems()).toEqual([]);
  });
});

describe('what the store is told to be unread', () => {
  const unread = ({ store }: Running) => store.unreadPlaces.map((place) => place.replace(`${directory}/`, ''));
  const becomes = (running: Running, ...places: string[]) =>
    waitFor(`${places.join(' ')} to be unread`, () => unread(running).join(' ') === places.join(' '), PATIENCE);

  it('is nothing when all files are good', async () => {
    put('a.yaml', web('a'));
    writeFileSync(join(directory, 'comments.yaml'), '# nothing yet\n');
    expect(unread(await run())).toEqual([]);
  });

  it('is a file that never was good, until it is, or is removed', async () => {
    put('a.yaml', web('a'), web('Wrong'), slice('b'));
    writeFileSync(join(directory, 'b.yaml'), 'kind: [');
    put('c.yaml', web('c'));
    const running = await run();
    expect(unread(running)).toEqual(['a.yaml', 'b.yaml']);
    expect(['a', 'b', 'c'].filter((name) => running.store.isPartial(`default/${name}`))).toEqual(['a', 'b']);
    unlinkSync(join(directory, 'b.yaml'));
    await becomes(running, 'a.yaml');
    put('a.yaml', web('a'));
    await becomes(running);
    put('a.yaml', web('a'), web('Wrong'));
    await running.problem('Wrong');
    expect(unread(running)).toEqual([]);
  });

  it('is a file in which there is nothing at all', async () => {
    writeFileSync(join(directory, 'a.yaml'), '');
    const running = await run();
    expect(unread(running)).toEqual(['a.yaml (is empty)']);
    expect(running.source.problems()).toEqual([]);
    put('a.yaml', web('a'));
    await becomes(running);
  });

  it('is a file that is still being written when the start is over', async () => {
    put('a.yaml', web('a'));
    const path = join(directory, 'b.yaml');
    const writer = setInterval(() => {
      writeFileSync(path, `# ${performance.now()}\n`);
    }, 1);
    onTestFinished(() => {
      clearInterval(writer);
    });
    // However long this process is held up, the file has just been written.
    vi.useFakeTimers({ toFake: ['Date'] });
    const running = await run().finally(() => {
      vi.useRealTimers();
    });
    expect(unread(running)).toEqual(['b.yaml']);
    put('a.yaml', web('a', 81));
    await running.has('a:81');
    expect(unread(running)).toEqual(['b.yaml']);
    clearInterval(writer);
    unlinkSync(path);
    await becomes(running);
  });

  it('is a directory that cannot be listed', async () => {
    put('a.yaml', web('a'));
    const loop = join(directory, 'loop.yaml');
    symlinkSync('loop.yaml', loop);
    const running = await run();
    expect(unread(running)).toEqual(['loop.yaml']);
    unlinkSync(loop);
    await becomes(running);
  });

  it('is an object that is refused because of others, unless it was good before', async () => {
    const clashing = (name: string) => service(name, { clusterIP: '10.96.0.7' });
    put('a.yaml', clashing('a'));
    put('b.yaml', clashing('b'), slice('c', { endpoints: [{ addresses: ['10.96.0.7'] }] }));
    const running = await run();
    expect(unread(running)).toEqual(['b.yaml:1 (Service default/b)', 'b.yaml:10 (EndpointSlice default/c-1)']);
    expect(running.store.isPartial('default/c')).toBe(true);
    put('b.yaml', web('b'), slice('c'));
    await becomes(running);
    put('b.yaml', clashing('b'), slice('c', { endpoints: [{ addresses: ['10.96.0.7'] }] }));
    await running.problem('is the address of Service default/a');
    expect(unread(running)).toEqual([]);
  });

  it('keeps addresses and node ports that may be wanted there from being given away', async () => {
    put('a.yaml', service('a', { type: 'NodePort' }));
    const first = await run();
    const given = first.store.services.get('default/a');
    const taken = {
      service: 'default/z',
      addresses: given?.clusterIPs ?? [],
      nodePorts: [given?.ports[0]?.nodePort ?? 0],
    };
    await first.source.stop();
    writeFileSync(join(directory, 'z.yaml'), 'kind: [');
    const second = await runWith({ held: () => [taken] });
    const other = second.store.services.get('default/a');
    expect(other?.clusterIPs).toHaveLength(1);
    expect(other?.clusterIPs).not.toEqual(given?.clusterIPs);
    expect(other?.ports[0]?.nodePort).not.toBe(given?.ports[0]?.nodePort);
    await second.source.stop();
    unlinkSync(join(directory, 'z.yaml'));
    const third = await runWith({ held: () => [taken] });
    expect(third.store.services.get('default/a')).toEqual(given);
  });
});

describe('while it runs', () => {
  it('a file is edited, added and removed', async () => {
    put('a.yaml', web('a'));
    const { has } = await run();
    put('a.yaml', web('a', 81));
    await has('a:81');
    put('b.yaml', web('b'));
    await has('a:81', 'b:80');
    unlinkSync(join(directory, 'a.yaml'));
    await has('b:80');
  });

  it('one edited object among many is one change', async () => {
    const objects = (port: number) => Array.from({ length: 300 }, (_, i) => web(`s${i}`, i === 150 ? port : 80));
    put('a.yaml', ...objects(80));
    const { store, log } = await run();
    expect(store.calls).toHaveLength(300);
    store.calls.length = 0;
    put('a.yaml', ...objects(81));
    await waitFor('the change arrives', () => store.services.get('default/s150')?.ports[0]?.port === 81);
    expect(store.calls).toEqual(['set s150']);
    expect(log.at(-1)).toMatch(/^manifests read \{"files":1,"set":1,"deleted":0,"services":300/);
  });

  it('an object that is written otherwise, and says the same, is no change', async () => {
    put('a.yaml', web('a'), slice('a'));
    const { store, has } = await run();
    store.calls.length = 0;
    const again = yaml(web('a'), slice('a'), web('b')).replace('---', '--- # and again');
    writeFileSync(join(directory, 'a.yaml'), `# again\n${again}`);
    await has('a:80', 'b:80');
    expect(store.calls).toEqual(['set b']);
  });

  it('a file is replaced by rename, and its Services are never missing', async () => {
    put('a.yaml', web('a'), web('b'));
    const { store, has } = await run();
    for (let port = 81; port < 90; port++) {
      replace('a.yaml', web('a', port), web('b', port));
      await has(`a:${port}`, `b:${port}`);
    }
    expect(store.calls.filter((call) => call.startsWith('delete'))).toEqual([]);
  });

  it('objects move between files without being missing', async () => {
    put('a.yaml', web('a'), web('b'));
    const { store, has } = await run();
    replace('b.yaml', web('b'), web('c'));
    await has('a:80', 'b:80', 'c:80');
    replace('a.yaml', web('a', 81));
    await has('a:81', 'b:80', 'c:80');
    expect(store.calls.filter((call) => call.startsWith('delete'))).toEqual([]);
  });

  it('a ConfigMap volume changes all of its files at once', async () => {
    const version = (name: string, port: number): void => {
      put(`..${name}/a.yaml`, web('a', port));
      put(`..${name}/b.yaml`, web('b', port));
      symlinkSync(`..${name}`, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    version('one', 80);
    for (const name of ['a.yaml', 'b.yaml']) symlinkSync(join('..data', name), join(directory, name));
    const { store, has } = await run();
    expect(servicesOf(store)).toBe('a:80 b:80');
    version('two', 81);
    rmSync(join(directory, '..one'), { recursive: true });
    await has('a:81', 'b:81');
    expect(store.calls.filter((call) => call.startsWith('delete'))).toEqual([]);
  });

  it('a file behind a link is edited where it is', async () => {
    const behind = join(root, 'behind.yaml');
    writeFileSync(behind, yaml(web('a')));
    symlinkSync(behind, join(directory, 'a.yaml'));
    const { has } = await run();
    // More than once: a file that is new at the start is looked at again without an event.
    for (const port of [81, 82, 83]) {
      writeFileSync(behind, yaml(web('a', port)));
      await has(`a:${port}`);
    }
  });

  it('a half-written file keeps its last good state, and says why', async () => {
    const path = put('a.yaml', web('a'), web('b'));
    const { store, has, problem, solved, told, log } = await run();
    writeFileSync(path, yaml(web('a', 81), web('b', 81)).slice(0, -30));
    await problem('a.yaml:');
    writeFileSync(path, '');
    await problem('a.yaml: is empty; write it again, or remove the file to remove its objects');
    expect(servicesOf(store)).toBe('a:80 b:80');
    writeFileSync(path, yaml(web('a', 81), web('b', 81)));
    await has('a:81', 'b:81');
    await solved();
    expect(told.map((problems) => problems.length)).toEqual([1, 1, 0]);
    expect(log.filter((line) => line.startsWith('manifest problem '))).toHaveLength(4);
  });

  it('a directory is made, filled, and removed with all that is in it', async () => {
    const { has } = await run();
    put('deep/er/a.yaml', web('a'));
    await has('a:80');
    put('deep/er/b.yaml', web('b'));
    await has('a:80', 'b:80');
    rmSync(join(directory, 'deep'), { recursive: true });
    await has();
  });

  it('the directory itself is removed and made again', async () => {
    put('a.yaml', web('a'));
    const { has, problem, solved } = await run();
    rmSync(directory, { recursive: true });
    await has();
    await problem(`${directory}: is gone; it is read when it is there again`);
    put('a.yaml', web('a', 81));
    await has('a:81');
    await solved();
    put('a.yaml', web('a', 82));
    await has('a:82');
  });

  it('the directory is removed with the one above it', async () => {
    put('a.yaml', web('a'));
    const { has } = await run();
    rmSync(root, { recursive: true });
    await has();
    put('a.yaml', web('b'));
    await has('b:80');
  });

  it('the directory is exchanged for another one', async () => {
    put('a.yaml', web('a'));
    const { has } = await run();
    cpSync(directory, join(root, 'next'), { recursive: true });
    writeFileSync(join(root, 'next', 'b.yaml'), yaml(web('b')));
    renameSync(directory, join(root, 'before'));
    renameSync(join(root, 'next'), directory);
    await has('a:80', 'b:80');
    for (const port of [81, 82, 83]) {
      put('b.yaml', web('b', port));
      await has('a:80', `b:${port}`);
    }
  });

  it('a file given by name is removed and written again', async () => {
    const path = put('only', web('a'));
    const { has, problem } = await run(path);
    unlinkSync(path);
    await has();
    await problem('is gone');
    put('only', web('a', 81));
    await has('a:81');
  });

  it('a storm of writes ends in the last of them', async () => {
    put('a.yaml', web('a', 1));
    const { store, has } = await run();
    for (let i = 1; i <= 400; i++) {
      put(`s${i % 20}.yaml`, web(`s${i % 20}`, i));
      if (i % 50 === 0) await new Promise(setImmediate);
    }
    await has('a:1', ...Array.from({ length: 20 }, (_, i) => `s${i}:${i === 0 ? 400 : 380 + i}`));
    expect(store.calls.length).toBeLessThan(200);
  });

  it('more events come than the kernel keeps, and nothing is missed', async () => {
    const { has } = await run();
    // Nobody empties the queue of inotify during this loop. Only events that differ from the one before count.
    const most = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
    const noise = ['one', 'two'].map((name) => put(name));
    for (let i = 0; i <= most; i++) utimesSync(noise[i % 2] ?? '', 1, 1);
    put('a.yaml', web('a'));
    await has('a:80');
  });

  it('slices follow the Service that they name', async () => {
    const of = (name: string) => ({
      ...slice(name),
      metadata: { name: 'x', labels: { 'kubernetes.io/service-name': name } },
    });
    put('a.yaml', of('a'));
    const { store } = await run();
    put('a.yaml', of('b'));
    await waitFor(
      'the slice is at the other Service',
      () => store.slices.has('default/b') && !store.slices.has('default/a'),
    );
  });

  it('Nodes come, change and go', async () => {
    const { store } = await run();
    const zone = (name: string) =>
      node('n', { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': name } } });
    put('n.yaml', zone('a'));
    await waitFor('the Node is there', () => store.nodes.get('n')?.zone === 'a');
    put('n.yaml', zone('b'));
    await waitFor('the Node has moved', () => store.nodes.get('n')?.zone === 'b');
    unlinkSync(join(directory, 'n.yaml'));
    await waitFor('the Node has gone', () => store.nodes.size === 0);
  });

  it('an address is given up with its Service, and stays with the others', async () => {
    put('a.yaml', web('a'));
    const { store, has } = await run();
    const before = store.services.get('default/a');
    put('b.yaml', web('b'));
    await has('a:80', 'b:80');
    expect(store.services.get('default/a')).toBe(before);
  });

  it('problems that concern several files name both, and go with either', async () => {
    put('a.yaml', web('a'));
    const second = put('b.yaml', web('a', 81));
    const { store, problem, solved } = await run();
    await problem(
      `${second}:1: Service default/a: is also in ${join(directory, 'a.yaml')}:1, which is used; remove one`,
    );
    expect(servicesOf(store)).toBe('a:80');
    expect(store.synced).toBe(true);
    unlinkSync(second);
    await solved();
  });

  it('other kinds are skipped with one line for each file', async () => {
    put(
      'a.yaml',
      { apiVersion: 'apps/v1', kind: 'Deployment' },
      { apiVersion: 'apps/v1', kind: 'Deployment' },
      web('a'),
    );
    const { log, has } = await run();
    put('a.yaml', { apiVersion: 'apps/v1', kind: 'Deployment' }, web('a', 81));
    await has('a:81');
    expect(log.filter((line) => line.startsWith('manifest kind skipped'))).toEqual([
      `manifest kind skipped ${JSON.stringify({ file: join(directory, 'a.yaml'), kind: 'apps/v1 Deployment' })}`,
    ]);
  });
});

describe('after the stop', () => {
  it('nothing changes any more, and no descriptor is left', async () => {
    const open = () => readdirSync('/proc/self/fdinfo').length;
    put('a.yaml', web('a'));
    const first = await run();
    await first.source.stop();
    const before = open();
    const { store, source: second } = await run();
    await second.stop();
    await second.stop();
    put('a.yaml', web('a', 81));
    put('b.yaml', web('b'));
    await new Promise(setImmediate);
    expect(servicesOf(store)).toBe('a:80');
    expect(open()).toBe(before);
  });
});
