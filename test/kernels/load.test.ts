// SPDX-License-Identifier: Apache-2.0
// Every program in every mode, on whatever kernel runs this: loaded with each setting that the kernel has, attached through
// each door, replaced as a new agent replaces it, and taken off. In the matrix (BPFSVC_KERNEL) the verifier's work is held
// against the record.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../src/abi/config.gen.ts';
import { SETTINGS } from '../../src/abi/config.gen.ts';
import { addon } from '../../src/kernel/addon.ts';
import { probeDatapathFeatures } from '../../src/kernel/features.ts';
import { ensureBpffs } from '../../src/kernel/pins.ts';
import { provideObject } from '../../src/toolchain/provide.ts';
import { run } from '../support/command.ts';
import { kernelErrorOf } from '../support/kernel.ts';
import { cgroupMount, makeCgroup, scratchDirectory } from '../support/leftovers.ts';
import { Namespace } from '../support/namespace.ts';
import type { Counts } from './instructions.ts';
import { compareCounts, readRecord } from './instructions.ts';
import type { Attached, Order } from './programs/attach-all.ts';

const ADDON = new URL('../../src/kernel/addon.ts', import.meta.url).href;
/** Of the matrix. */
const KERNEL = process.env['BPFSVC_KERNEL'];
const RESULTS = process.env['BPFSVC_RESULTS'];

const ARPHRD_ETHER = 1;
const ARPHRD_NONE = 0xfffe;

type Switches = Order['settings'];
type Choice = Switches & Pick<Settings, 'hostNetns'>;

const kernel = probeDatapathFeatures();
/** What the programs can be told of the kernel, and the words of the verifier where that is not true. */
const SWITCHES = [
  { setting: 'hasSetRetval', has: kernel.setRetval },
  { setting: 'hasCoarseClock', has: kernel.coarseClock },
  { setting: 'hasNetnsCookie', has: kernel.netnsCookie },
] as const;

const NONE: Switches = { hasSetRetval: 0, hasCoarseClock: 0, hasNetnsCookie: 0 };
const ALL: Switches = {
  hasSetRetval: Number(kernel.setRetval),
  hasCoarseClock: Number(kernel.coarseClock),
  hasNetnsCookie: Number(kernel.netnsCookie),
};
const CHOICES: readonly (readonly [string, Choice])[] = [
  ['nothing that is not everywhere', inInitialNamespace(NONE)],
  ...SWITCHES.filter(({ has }) => has).map(({ setting }): [string, Choice] => [
    `${setting} alone`,
    inInitialNamespace({ ...NONE, [setting]: 1 }),
  ]),
  ['all that the kernel has', inInitialNamespace(ALL)],
  ['all, in a node of another network namespace', { ...ALL, hostNetns: 1n }],
];

function inInitialNamespace(switches: Switches): Choice {
  return { ...switches, hostNetns: 0n };
}

let object: string;
beforeAll(async () => {
  object = (await provideObject({ objectLayout: (file) => addon.objectLayout(file) })).path;
});

function load(choice: Choice): Counts {
  const opened = addon.openObject(object);
  try {
    for (const [name, value] of Object.entries(choice)) {
      const setting = SETTINGS[name as keyof Choice];
      opened.setVariable(setting.variable, (setting.encode as (value: number | bigint) => Uint8Array)(value));
    }
    return opened.load(true);
  } finally {
    opened.close();
  }
}

describe('the programs', () => {
  const most = new Map<string, number>();

  it.each(CHOICES)('load with %s', (_, choice) => {
    const counts = Object.entries(load(choice));
    expect(counts.map(([program]) => program).sort()).toEqual(programs());
    for (const [program, count] of counts) most.set(program, Math.max(count, most.get(program) ?? 0));
  });

  it.each(SWITCHES.filter(({ has }) => !has))(
    'do not load with $setting, which this kernel lacks: the probe is right',
    ({ setting }) => {
      const error = kernelErrorOf(() => load(inInitialNamespace({ ...NONE, [setting]: 1 })));
      expect(error.op).toBe('object.load');
    },
  );

  it('load without the BTF of the kernel', async () => {
    const code = `import { addon } from '${ADDON}'; addon.openObject('${object}').load();`;
    const hide = 'mount -t tmpfs none /sys/kernel && exec "$@"';
    const node = [process.execPath, '--input-type=module', '--eval', code];
    await run('unshare', ['--mount', 'sh', '-c', hide, 'sh', ...node]);
  });

  afterAll(() => {
    if (RESULTS !== undefined && KERNEL !== undefined)
      writeFileSync(path.join(RESULTS, 'instructions.json'), JSON.stringify(Object.fromEntries(most)));
  });

  if (KERNEL !== undefined && process.env['BPFSVC_RECORD'] === undefined) {
    it('take the verifier no more than a fifth longer than recorded', () => {
      expect(compareCounts(readRecord(), KERNEL, Object.fromEntries(most))).toEqual([]);
    });
  }
});

function programs(): string[] {
  const opened = addon.openObject(object);
  try {
    return opened
      .programs()
      .map(({ name }) => name)
      .sort();
  } finally {
    opened.close();
  }
}

describe('an agent', () => {
  let namespace: Namespace;
  let order: Order;

  beforeEach(async () => {
    namespace = await Namespace.create();
    const bpffs = path.join(scratchDirectory(namespace.prefix), 'bpffs');
    mkdirSync(bpffs, { recursive: true });
    ensureBpffs(bpffs);
    const cgroup = makeCgroup(path.join(cgroupMount(), `${namespace.prefix}-alone`));
    await namespace.ip('link add ether index 10 type veth peer bare index 11', 'link set ether up', 'link set bare up');
    const devices = [
      { ifindex: 10, name: 'ether', arphrd: ARPHRD_ETHER },
      // What counts is what the agent is told of a device; not every kernel has one without link layer.
      { ifindex: 11, name: 'bare', arphrd: ARPHRD_NONE },
    ];
    order = { bpffs, object, cgroup, tcx: false, settings: NONE, devices, present: [1, 10, 11] };
    return () => {
      namespace[Symbol.dispose]();
    };
  });

  async function attach(changes: Partial<Order>): Promise<Attached> {
    await using program = namespace.start('kernels/programs/attach-all.ts', JSON.stringify({ ...order, ...changes }));
    return await program.hear<Attached>('where the programs are');
  }

  const ids = (attached: Attached): number[] => attached.map(({ programId }) => programId);
  const places = (attached: Attached): string[] => attached.map(({ program, at }) => `${program}: ${at}`).sort();
  /** The kernel keeps 15 bytes of a name. */
  const sockets = (): string[] =>
    programs()
      .filter((name) => name.startsWith('sock_'))
      .map((name) => `${name}: cgroup`);

  const doors = kernel.tcx ? (['link', 'clsact'] as const) : (['clsact'] as const);
  describe.each(doors)('by %s', (by) => {
    const tcx = by === 'link';
    const everywhere = [
      `tc_egress: ${by} ether`,
      `tc_egress_l3: ${by} bare`,
      `tc_ingress: ${by} ether`,
      `tc_ingress_l3: ${by} bare`,
    ];

    it('attaches every program, and the next agent puts its own in their places', async () => {
      const first = await attach({ tcx });
      expect(places(first)).toEqual([...sockets(), ...everywhere]);
      const second = await attach({ tcx, settings: ALL });
      expect(places(second)).toEqual(places(first));
      expect(ids(second).filter((id) => ids(first).includes(id))).toEqual([]);
    });

    it('detaches from devices that are no uplinks any more', async () => {
      await attach({ tcx });
      expect(places(await attach({ tcx, devices: [] }))).toEqual(sockets());
    });
  });
});
