// SPDX-License-Identifier: Apache-2.0
// The commands that read a datapath, on a real one that no agent serves: made here, filled by hand, read from its pins.

import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FINGERPRINT } from '../../src/abi/fingerprint.gen.ts';
import { DropReason, FrontendFlags, Proto, SetMode } from '../../src/abi/enums.gen.ts';
import { MAPS } from '../../src/abi/maps.gen.ts';
import { packSet } from '../../src/abi/set-word.ts';
import { Datapath } from '../../src/datapath/datapath.ts';
import { addon } from '../../src/kernel/addon.ts';
import { ensureBpffs, pinRoot } from '../../src/kernel/pins.ts';
import { provideObject } from '../../src/toolchain/provide.ts';
import { cgroupMount, makeCgroup, scratchDirectory } from '../support/leftovers.ts';
import { Namespace } from '../support/namespace.ts';
import { address, backend, flow, service } from '../unit/observe/made-up.ts';

const MAIN = path.resolve(import.meta.dirname, '../../src/cli/main.ts');
const OTHER = '0123456789abcdef';

let namespace: Namespace;
let bpffs = '';
let cgroup = '';

function bpfsvc(...args: readonly string[]): Promise<string> {
  const node = ['--disable-warning=ExperimentalWarning', MAIN];
  return namespace.run(process.execPath, [...node, ...args, '--bpffs', bpffs]);
}

async function json<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await bpfsvc(...args, '-o', 'json')) as T;
}

/** One service with two backends on a table of 16 slots, one flow, one socket. */
function fill({ lb, maps }: Datapath): void {
  lb.writeBackend(1, backend('10.244.1.5', 8080, 1));
  lb.writeBackend(2, backend('10.244.2.7', 8080, 2));
  lb.slots(0, 16).set(Uint32Array.from({ length: 16 }, (_, slot) => (slot < 12 ? 1 : 2)));
  lb.writeSet(2, packSet({ mode: SetMode.Hash, first: 0, count: 16 }));
  lb.putServices([[1, service('web', 'http', 4)]]);
  const row = { service: 1, setInternal: 2, setExternal: 2, affinityS: 0, flags: FrontendFlags.ClusterIp };
  lb.putFrontends([[{ addr: address('10.96.0.10'), port: 80, proto: Proto.Tcp }, row]]);
  maps.flows4.set(
    { saddr: address('192.0.2.9'), daddr: address('10.96.0.10'), sport: 40_000, dport: 80, proto: Proto.Tcp },
    {
      flow: flow({ service: 1, backend: 2, packets: 5n, bytes: 500n, ifindex: 1, dport: 8080 }),
      saddr: address('192.0.2.9'),
      daddr: address('10.244.2.7'),
      nexthop: address('0.0.0.0'),
    },
  );
  const asked = { addr: address('10.96.0.10'), port: 80, proto: Proto.Tcp, service: 1, backend: 1 };
  maps.sockets.set({ cookie: 4711n }, asked);
  countOnEveryCpu(maps.drops.native, DropReason.NoBackend);
}

/** One packet of ten bytes on each CPU. */
function countOnEveryCpu(map: Datapath['maps']['drops']['native'], reason: number): void {
  const perCpu = Array.from({ length: addon.possibleCpus() }, () => [1n, 10n]).flat();
  map.update(new Uint8Array(Uint32Array.of(reason).buffer), new Uint8Array(BigUint64Array.from(perCpu).buffer));
}

async function open(): Promise<Datapath> {
  const { path: object } = await provideObject({ objectLayout: (file) => addon.objectLayout(file) });
  return Datapath.open({ bpffs, object, settings: {}, sizes: { flows4: 1024, flows6: 1024, sockets: 1024 } });
}

beforeAll(async () => {
  namespace = await Namespace.create();
  bpffs = path.join(scratchDirectory(namespace.prefix), 'bpf');
  cgroup = makeCgroup(path.join(cgroupMount(), `${namespace.prefix}-cli`));
  ensureBpffs(bpffs);
  const datapath = await open();
  fill(datapath);
  datapath.attachCgroup(cgroup);
  datapath.close();
});

afterAll(() => {
  rmSync(pinRoot(bpffs), { recursive: true, force: true });
  namespace[Symbol.dispose]();
});

describe('bpfsvc without an agent', () => {
  it('shows services with what the maps count for them', async () => {
    expect(await bpfsvc('services')).toBe(
      [
        'PROTO  FRONTEND       KIND       SET      ALGORITHM  SERVICE',
        '  -> BACKEND          NODE    WEIGHT  ACTIVE  CONNS  IN PKTS  OUT PKTS  IN BYTES  OUT BYTES',
        'TCP    10.96.0.10:80  ClusterIP  cluster  maglev     default/web:http',
        '  -> 10.244.1.5:8080  local        1       1      0        0         0         0          0',
        '  -> 10.244.2.7:8080  remote       1       1      0        5         0       500          0',
      ].join('\n'),
    );
    expect(await json('services', 'default/web')).toMatchObject({ services: [{ id: 1 }] });
    await expect(bpfsvc('services', 'default/wub')).rejects.toThrow('bpfsvc: no Service default/wub in the datapath');
  });

  it('shows what is attached, that no agent runs, how full maps are, and what was dropped on all CPUs', async () => {
    const status = await json<{ attachments: { kind: string; to: string; program: string }[] }>('status');
    expect(status).toMatchObject({
      fingerprint: FINGERPRINT,
      agent: { running: false, pid: null },
      services: { rows: 1 },
      frontends: { rows: 1 },
      backends: { rows: 2, retired: 0 },
      tables: { count: 1, slots: 16, segments: 1 },
      flows4: { rows: 1, capacity: 1024 },
      flows6: { rows: 0, capacity: 1024 },
      sockets: { rows: 1, capacity: 1024 },
    });
    expect(status.attachments.map(({ program }) => program)).toContain('sock_connect4');
    expect(new Set(status.attachments.map(({ kind, to }) => `${kind} ${to}`))).toEqual(new Set([`cgroup ${cgroup}`]));
    const cpus = addon.possibleCpus();
    expect(status).toHaveProperty('drops.0', { reason: 'no_backend', packets: cpus, bytes: 10 * cpus });
  });

  it('tells the process that holds the lock as the agent', async () => {
    const datapath = await open();
    try {
      expect(await json('status')).toMatchObject({ agent: { running: true, pid: process.pid } });
      await expect(bpfsvc('cleanup')).rejects.toThrow('is in use by another bpfsvc; stop that one');
    } finally {
      datapath.close();
    }
  });

  it('lists every map that is pinned', async () => {
    const { maps } = await json<{ maps: { map: string; maxEntries: number }[] }>('maps', 'list');
    expect(maps.map(({ map }) => map).sort()).toEqual([...Object.keys(MAPS), 'slots-0'].sort());
    expect(maps.find(({ map }) => map === 'flows4')).toMatchObject({ type: 'lru_hash', maxEntries: 1024 });
  });

  it('dumps every map in words', async () => {
    const { fingerprint, maps } = await json<{ fingerprint: string; maps: Record<string, object[]> }>('maps', 'dump');
    expect(fingerprint).toBe(FINGERPRINT);
    expect(Object.keys(maps).sort()).toEqual(Object.keys(MAPS).sort());
    const web = { id: 1, name: 'default/web:http' };
    expect(maps).toMatchObject({
      frontends: [{ protocol: 'tcp', frontend: { address: '10.96.0.10', port: 80 }, service: web }],
      slots: [
        { backend: { id: 1, address: '10.244.1.5', port: 8080 }, slots: 12, sharePercent: 75 },
        { backend: { id: 2 }, slots: 4, sharePercent: 25 },
      ],
      flows4: [{ service: web, backend: { id: 2 }, interface: { id: 1, name: 'lo' }, packets: 5 }],
      sockets: [{ cookie: 4711, service: web, backend: { id: 1 } }],
    });
  });

  it('dumps one map as a table, and as bytes', async () => {
    expect(await bpfsvc('maps', 'dump', 'sets')).toBe(
      [
        'ID  SERVICE              SCOPE    MODE    FIRST SLOT  SLOTS  BACKENDS',
        ' 2  default/web:http #1  cluster  hash             0     16         2',
        ' 3  default/web:http #1  local    reject           -      0         0',
      ].join('\n'),
    );
    expect(await json('maps', 'dump', 'frontends', '--raw')).toMatchObject({
      maps: {
        frontends: [{ key: '00000000000000000000ffff0a60000a00500600', values: [expect.stringMatching(/^01000000/)] }],
      },
    });
    const { maps } = await json<{ maps: Record<string, { key: string; values: string[] }[]> }>('maps', 'dump', '--raw');
    expect(maps['slots']).toEqual([{ key: '00000000', values: [expect.stringMatching(/^[0-9a-f]{8}$/)] }]);
    expect(maps['slots-0']).toHaveLength(1);
    expect(maps['drops']).toEqual([
      {
        key: '01000000',
        values: Array.from({ length: addon.possibleCpus() }, () => '01000000000000000a00000000000000'),
      },
    ]);
    // only the two rows that were written, of a quarter of a million
    expect((await bpfsvc('maps', 'dump', 'backends', '--raw')).split('\n')).toHaveLength(2);
  });
});

describe('bpfsvc with the pins of another layout', () => {
  it('shows its own and names the other', async () => {
    mkdirSync(path.join(pinRoot(bpffs), OTHER));
    try {
      expect(await json('status')).toMatchObject({ fingerprint: FINGERPRINT, otherFingerprints: [OTHER] });
    } finally {
      rmSync(path.join(pinRoot(bpffs), OTHER), { recursive: true });
    }
  });

  it('refuses to decode it, names both layouts, and still shows bytes', async () => {
    const [own, other] = [path.join(pinRoot(bpffs), FINGERPRINT), path.join(pinRoot(bpffs), OTHER)];
    renameSync(own, other);
    try {
      await expect(bpfsvc('maps', 'dump', 'sets')).rejects.toThrow(
        `has the layout ${OTHER}, this bpfsvc knows ${FINGERPRINT}`,
      );
      expect(await json('maps', 'dump', 'sets', '--raw')).toEqual({
        fingerprint: OTHER,
        maps: { sets: [{ key: '02000000', values: ['0000000010002000'] }] },
      });
    } finally {
      renameSync(other, own);
    }
  });
});

describe('bpfsvc cleanup', () => {
  it('says what it removes, and leaves nothing', async () => {
    const said = (await bpfsvc('cleanup')).split('\n');
    expect(said).toContain(`detached program sock_connect4 from cgroup ${cgroup}`);
    expect(said).toContain(`removed ${FINGERPRINT}/maps/frontends`);
    expect(said).toContain(`removed ${pinRoot(bpffs)}`);
    // the kernel's own files, which every BPF file system may have
    expect(readdirSync(bpffs).filter((name) => !name.endsWith('.debug'))).toEqual([]);
    expect(addon.queryCgroup(cgroup, 10)).toEqual([]);
    expect(await bpfsvc('cleanup')).toBe(`nothing to remove: no bpfsvc datapath under ${bpffs}`);
  });
});
