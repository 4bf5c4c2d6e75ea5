// SPDX-License-Identifier: Apache-2.0
// Addresses and node ports for Services that leave them open: which, that they stay, and what is said when there is none.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Service } from '../../../../src/model/types.ts';
import { objectKey } from '../../../../src/model/types.ts';
import { contains, parsePrefix } from '../../../../src/net/prefix.ts';
import type { Prefix } from '../../../../src/net/prefix.ts';
import type { Draft } from '../../../../src/sources/manifests/allocate.ts';
import { Allocator } from '../../../../src/sources/manifests/allocate.ts';
import { ObjectReader } from '../../../../src/sources/manifests/objects.ts';
import { DEFAULT_NODE_PORTS } from '../../../../src/sources/manifests/port-range.ts';
import type { Fields } from './build.ts';
import { CIDRS, service } from './build.ts';

const reader = new ObjectReader(DEFAULT_NODE_PORTS);

function draft(name: string, spec: Fields = {}): Draft {
  const result = reader.read(structuredClone(service(name, spec)));
  if (!('object' in result) || result.object.kind !== 'Service') throw new Error(JSON.stringify(result));
  const { service: record, wants } = result.object;
  if (record === undefined) throw new Error(`${name} is foreign`);
  return { service: record, wants };
}

const allOf = (...drafts: Draft[]) => new Map(drafts.map((each) => [objectKey(each.service), each]));

/** One Allocator through several states of the manifests. */
function agent(cidrs: readonly Prefix[] = CIDRS, nodePorts = DEFAULT_NODE_PORTS) {
  const allocator = new Allocator(cidrs, nodePorts);
  return (...drafts: Draft[]) => {
    const { services, refused } = allocator.assign(allOf(...drafts));
    return {
      services,
      get: (name: string): Service => {
        const found = services.get(`default/${name}`);
        if (found === undefined) throw new Error(`${name} was not given anything`);
        return found;
      },
      refused: Array.from(refused, ([key, issues]) => [
        key,
        ...issues.map(({ path, message }) => `${path.join('.')} ${message}`),
      ]),
    };
  };
}

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const nodePortsOf = ({ ports }: Service) => ports.map(({ nodePort }) => nodePort);

describe('a cluster IP that is not written', () => {
  it('is of the first --service-cidr, and not its network address', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 14 }), (count) => {
        const drafts = Array.from({ length: count }, (_, i) => draft(`s${i}`));
        const small = prefix('10.96.0.0/28');
        const { services, refused } = agent([small])(...drafts);
        const given = [...services.values()].flatMap(({ clusterIPs }) => clusterIPs);
        expect(refused).toEqual([]);
        expect(new Set(given).size).toBe(count);
        expect(given.every((address) => contains(small, address))).toBe(true);
        expect(given).not.toContain('10.96.0.0');
        expect(given).not.toContain('10.96.0.15');
      }),
    );
  });

  it('is the same in every agent, whatever the order of the manifests and whoever else is there', () => {
    const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
    const all = agent()(...names.map((name) => draft(name))).services;
    const reverse = agent()(...names.toReversed().map((name) => draft(name))).services;
    expect(new Map([...reverse].sort())).toEqual(new Map([...all].sort()));
    const alone = agent()(draft('s7'));
    expect(alone.get('s7').clusterIPs).toEqual(all.get('default/s7')?.clusterIPs);
  });

  it('is pinned to its name: a change of the hash would move Services at the next restart', () => {
    const { get } = agent()(draft('web', { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack' }));
    expect(get('web').clusterIPs).toEqual(['10.96.238.151', 'fd00:96::c296']);
    expect(nodePortsOf(get('web'))).toEqual([31109]);
  });

  it('is given from the upper part first, so that the lower one is there for addresses written by hand', () => {
    const { services } = agent([prefix('10.96.0.0/24')])(...Array.from({ length: 200 }, (_, i) => draft(`s${i}`)));
    const lowest = [...services.values()].map(({ clusterIPs }) => Number(clusterIPs[0]?.split('.')[3]));
    expect(Math.min(...lowest)).toBeGreaterThan(16);
  });

  it('stays while other Services come and go', () => {
    const assign = agent([prefix('10.96.0.0/28')]);
    const kept = draft('kept');
    const before = assign(kept).get('kept');
    for (let round = 0; round < 20; round++) {
      const others = Array.from({ length: 13 }, (_, i) => draft(`a${round}-${i}`));
      expect(assign(...others, kept).get('kept')).toBe(before);
    }
  });

  it('stays when the Service is edited', () => {
    const assign = agent();
    const before = assign(draft('web')).get('web').clusterIPs;
    expect(assign(draft('web', { ports: [{ port: 81 }] })).get('web')).toMatchObject({
      clusterIPs: before,
      ports: [{ port: 81 }],
    });
  });

  it('stays when one was written before', () => {
    const assign = agent();
    assign(draft('web', { clusterIP: '10.96.0.9' }));
    expect(assign(draft('web')).get('web').clusterIPs).toEqual(['10.96.0.9']);
  });

  it('is free for others when its Service is gone', () => {
    const assign = agent([prefix('10.96.0.0/30')]);
    expect(assign(draft('a'), draft('b')).refused).toEqual([]);
    const full = assign(draft('a'), draft('b'), draft('c'));
    expect(full.refused).toEqual([
      [
        'default/c',
        'spec.clusterIP is missing, and no address is left in 10.96.0.0/30; remove Services, or widen the range',
      ],
    ]);
    expect(assign(draft('a'), draft('c')).refused).toEqual([]);
  });

  it('needs a --service-cidr', () => {
    expect(agent([])(draft('web')).refused).toEqual([
      [
        'default/web',
        'spec.clusterIP is missing, and no --service-cidr is given to allocate from; write an address, or start bpfsvc with it',
      ],
    ]);
    expect(agent([prefix('10.96.0.0/16')])(draft('web', { ipFamilies: ['IPv6'] })).refused).toEqual([
      [
        'default/web',
        'spec.clusterIP is missing, and no --service-cidr for IPv6 is given to allocate from; write an address, or start bpfsvc with it',
      ],
    ]);
  });

  it('is none for headless Services and ExternalNames', () => {
    const { get, refused } = agent([])(
      draft('headless', { clusterIP: 'None' }),
      draft('name', { type: 'ExternalName', externalName: 'a.b' }),
    );
    expect([get('headless').clusterIPs, get('name').clusterIPs, refused]).toEqual([[], [], []]);
  });
});

describe('the families of a Service', () => {
  const v4 = CIDRS.slice(0, 1);
  const v6 = CIDRS.slice(1);
  it.each<[string, Fields, readonly Prefix[], string[]]>([
    ['are the preferred one', {}, CIDRS, ['4']],
    ['are the preferred one, IPv6', {}, CIDRS.toReversed(), ['6']],
    ['are those of the written address', { clusterIP: 'fd00::1' }, CIDRS, ['6']],
    ['are those asked for', { ipFamilies: ['IPv6'] }, CIDRS, ['6']],
    ['are two where both are preferred', { ipFamilyPolicy: 'PreferDualStack' }, CIDRS, ['4', '6']],
    ['are one where both are preferred, but one is there', { ipFamilyPolicy: 'PreferDualStack' }, v6, ['6']],
    ['keep their order', { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] }, CIDRS, ['6', '4']],
    [
      'are completed after a written address',
      { ipFamilyPolicy: 'PreferDualStack', clusterIP: 'fd00::1' },
      CIDRS,
      ['6', '4'],
    ],
    ['are completed after a family', { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6'] }, CIDRS, ['6', '4']],
    [
      'are both written, with nothing to allocate from',
      { ipFamilyPolicy: 'RequireDualStack', clusterIPs: ['10.0.0.1', 'fd00::1'] },
      [],
      ['4', '6'],
    ],
    ['lose one that was not asked for', { ipFamilyPolicy: 'SingleStack', clusterIP: '10.0.0.1' }, v4, ['4']],
  ])('%s', (_, spec, cidrs, expected) => {
    const { get } = agent(cidrs)(draft('web', spec));
    expect(get('web').clusterIPs.map((address) => (address.includes(':') ? '6' : '4'))).toEqual(expected);
  });

  it('are two when two are required, or the Service is refused', () => {
    expect(agent(v4)(draft('web', { ipFamilyPolicy: 'RequireDualStack' })).refused).toEqual([
      [
        'default/web',
        'spec.ipFamilyPolicy is RequireDualStack, but there is one family; start bpfsvc with --service-cidr for both, or use PreferDualStack',
      ],
    ]);
  });

  it('can become two and one again, and the first address stays', () => {
    const assign = agent();
    const [first] = assign(draft('web')).get('web').clusterIPs;
    const both = assign(draft('web', { ipFamilyPolicy: 'PreferDualStack' })).get('web').clusterIPs;
    expect(both).toEqual([first, expect.stringContaining(':')]);
    expect(assign(draft('web', { ipFamilyPolicy: 'SingleStack', ports: [{ port: 1 }] })).get('web').clusterIPs).toEqual(
      [first],
    );
  });
});

describe('a written address', () => {
  it('goes before one that is allocated, whatever the names', () => {
    const [taken] = agent()(draft('a')).get('a').clusterIPs;
    const { get, refused } = agent()(draft('a'), draft('b', { clusterIP: taken }));
    expect(refused).toEqual([]);
    expect(get('b').clusterIPs).toEqual([taken]);
    expect(get('a').clusterIPs).not.toEqual([taken]);
  });

  it('is refused when somebody has it', () => {
    const assign = agent();
    const [taken] = assign(draft('z')).get('z').clusterIPs;
    const { refused, services } = assign(draft('z'), draft('a', { clusterIP: taken }));
    expect(refused).toEqual([
      ['default/a', `spec.clusterIP ${taken ?? ''} is the address of Service default/z; use another, or leave it out`],
    ]);
    expect([...services.keys()]).toEqual(['default/z']);
  });

  it('is the first one’s by name when two come together', () => {
    const { get, refused } = agent()(draft('b', { clusterIP: '10.0.0.1' }), draft('a', { clusterIP: '10.0.0.1' }));
    expect(get('a').clusterIPs).toEqual(['10.0.0.1']);
    expect(refused.map(([key]) => key)).toEqual(['default/b']);
  });

  it('need not be of --service-cidr', () => {
    expect(agent()(draft('a', { clusterIP: '172.20.0.1' })).get('a').clusterIPs).toEqual(['172.20.0.1']);
  });

  it('can be exchanged with another Service in one edit', () => {
    const assign = agent();
    assign(draft('a', { clusterIP: '10.0.0.1' }), draft('b', { clusterIP: '10.0.0.2' }));
    const { get, refused } = assign(draft('a', { clusterIP: '10.0.0.2' }), draft('b', { clusterIP: '10.0.0.1' }));
    expect([get('a').clusterIPs, get('b').clusterIPs, refused]).toEqual([['10.0.0.2'], ['10.0.0.1'], []]);
  });
});

describe('a Service that is refused', () => {
  it('stays as it was, and what it has stays its own', () => {
    const assign = agent();
    const a = draft('a', { clusterIP: '10.0.0.1' });
    const before = assign(a, draft('b', { clusterIP: '10.0.0.2' })).get('b');
    const wrong = draft('b', { clusterIP: '10.0.0.1', ports: [{ port: 99 }] });
    const after = assign(a, wrong);
    expect(after.get('b')).toBe(before);
    expect(after.refused.map(([key]) => key)).toEqual(['default/b']);
    expect(assign(a, wrong).get('b')).toBe(before);
  });

  it('gets what it asks for when that is free', () => {
    const assign = agent();
    const second = draft('b', { clusterIP: '10.0.0.1' });
    assign(draft('a', { clusterIP: '10.0.0.1' }), second);
    expect(assign(second).get('b').clusterIPs).toEqual(['10.0.0.1']);
  });

  it('gives back what it had been given in the attempt', () => {
    const assign = agent([prefix('10.96.0.0/30')], { first: 30000, last: 30000 });
    assign(draft('a', { type: 'NodePort' }));
    expect(assign(draft('a', { type: 'NodePort' }), draft('b', { type: 'NodePort' })).refused).toHaveLength(1);
    expect(assign(draft('a', { type: 'NodePort' }), draft('c')).refused).toEqual([]);
  });
});

describe('a node port', () => {
  const several: Fields = {
    type: 'NodePort',
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53 },
      { name: 'http', port: 80, nodePort: 30080 },
      { name: 'metrics', port: 9153 },
    ],
  };

  it('is allocated where none is written, one for both protocols of a number', () => {
    const [udp, tcp, http, metrics] = nodePortsOf(agent()(draft('a', several)).get('a'));
    expect(udp).toBe(tcp);
    expect(http).toBe(30080);
    expect(new Set([udp, http, metrics]).size).toBe(3);
    for (const port of [udp, metrics]) expect(port).toSatisfy((value: number) => value >= 30000 && value <= 32767);
  });

  it.each<[string, Fields, boolean]>([
    ['a LoadBalancer', { type: 'LoadBalancer' }, true],
    ['a LoadBalancer that wants none', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }, false],
    ['a ClusterIP Service', {}, false],
  ])('is or is not allocated for %s', (_, spec, expected) => {
    expect(nodePortsOf(agent()(draft('a', spec)).get('a')).every((port) => port !== 0)).toBe(expected);
  });

  it('of a LoadBalancer that wants none is kept when it is written', () => {
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80, nodePort: 30001 }] };
    expect(nodePortsOf(agent()(draft('a', spec)).get('a'))).toEqual([30001]);
  });

  it('is allocated for health checks', () => {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
    const given = agent()(draft('a', spec)).get('a');
    expect(given.healthCheckNodePort).toBeGreaterThanOrEqual(30000);
    expect(nodePortsOf(given)).not.toContain(given.healthCheckNodePort);
    expect(agent()(draft('a', { ...spec, healthCheckNodePort: 30005 })).get('a').healthCheckNodePort).toBe(30005);
  });

  it('stays with name and protocol when ports are added, removed and moved', () => {
    const assign = agent();
    const before = assign(draft('a', several)).get('a');
    const ports = (several['ports'] as Fields[]).toReversed().slice(0, 3);
    const after = assign(draft('a', { type: 'NodePort', ports: [{ name: 'new', port: 1 }, ...ports] })).get('a');
    const byName = new Map(before.ports.map(({ name, nodePort }) => [name, nodePort]));
    expect(after.ports.slice(1).map(({ name, nodePort }) => [name, nodePort])).toEqual(
      ports.map(({ name }) => [name, byName.get(String(name))]),
    );
  });

  it('is given up by a Service that becomes a ClusterIP one', () => {
    const assign = agent(CIDRS, { first: 30000, last: 30000 });
    assign(draft('a', { type: 'NodePort' }));
    expect(nodePortsOf(assign(draft('a')).get('a'))).toEqual([0]);
    expect(assign(draft('a'), draft('b', { type: 'NodePort' })).refused).toEqual([]);
  });

  it('belongs to one Service, whatever the protocol', () => {
    const { refused } = agent()(
      draft('a', { type: 'NodePort', ports: [{ port: 53, nodePort: 30053 }] }),
      draft('b', { type: 'NodePort', ports: [{ port: 53, protocol: 'UDP', nodePort: 30053 }] }),
    );
    expect(refused).toEqual([
      ['default/b', 'spec.ports.0.nodePort 30053 is a node port of Service default/a; use another, or leave it out'],
    ]);
  });

  it('is given from the lower part of the range when the upper one is used up', () => {
    const drafts = Array.from({ length: 32 }, (_, i) => draft(`s${i}`, { type: 'NodePort' }));
    const { services, refused } = agent(CIDRS, { first: 30000, last: 30031 })(...drafts);
    expect(refused).toEqual([]);
    expect([...services.values()].flatMap(nodePortsOf).sort()).toEqual(Array.from({ length: 32 }, (_, i) => 30000 + i));
  });

  it('cannot be given when the range is used up', () => {
    const { refused } = agent(CIDRS, { first: 30000, last: 30001 })(
      draft('a', { type: 'NodePort' }),
      draft('b', { type: 'NodePort' }),
      draft('c', { type: 'NodePort' }),
    );
    expect(refused).toEqual([
      [
        'default/c',
        'spec.ports.0.nodePort is missing, and no node port is left in 30000-30001; remove Services, or widen the range',
      ],
    ]);
  });
});

describe('an agent and its restart', () => {
  it('give the same to everybody, as long as nobody had to give way', () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 30 });
    const big = prefix('10.0.0.0/8');
    fc.assert(
      fc.property(names, fc.nat(), (all, seed) => {
        const drafts = new Map(all.map((name) => [name, draft(name)]));
        const assign = agent([big]);
        // They come one by one, and some go again, before all are there.
        for (const [i, name] of all.entries()) {
          const present = all.slice(0, i + 1).filter((each) => each === name || (each.length + seed) % 3 !== 0);
          assign(...present.flatMap((each) => drafts.get(each) ?? []));
        }
        const running = assign(...drafts.values()).services;
        const restarted = agent([big])(...drafts.values()).services;
        expect(new Map([...running].sort())).toEqual(new Map([...restarted].sort()));
      }),
      { numRuns: 50 },
    );
  });
});
