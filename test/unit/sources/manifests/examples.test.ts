// SPDX-License-Identifier: Apache-2.0
// The examples are manifests that work, and show what their names say.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadManifests } from '../../../../src/sources/manifests/load-manifests.ts';
import { problemText } from '../../../../src/sources/manifests/problem.ts';
import { CIDRS } from './build.ts';

const folder = new URL('../../../../examples/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const load = (text: string) => loadManifests(text, 'examples', { serviceCidrs: CIDRS });

describe('the examples', () => {
  it.each(files)('%s has no problem and begins by saying what it shows', (name) => {
    const { problems, skipped } = load(read(name));
    expect(problems.map(problemText)).toEqual([]);
    expect(skipped).toEqual([]);
    expect(read(name)).toMatch(/^# [A-Z]/);
  });

  it('work all together', () => {
    const { services, slices, nodes, problems } = load(files.map(read).join('---\n'));
    expect(problems.map(problemText)).toEqual([]);
    expect([services.length, nodes.length]).toEqual([files.length - 1, 2]);
    expect(slices.length).toBeGreaterThan(10);
  });

  it('are all named in their README, and in no other', () => {
    const named = Array.from(read('README.md').matchAll(/\]\(([\w-]+\.yaml)\)/g), ([, name]) => name);
    expect(named.sort()).toEqual(files.toSorted());
  });

  it.each([
    ['clusterip.yaml', { type: 'ClusterIP', clusterIPs: [expect.stringMatching(/^10\.96\./)] }],
    ['nodeport.yaml', { type: 'NodePort', ports: [{ nodePort: 30080 }] }],
    ['nodeport-local.yaml', { externalTrafficPolicy: 'Local' }],
    [
      'loadbalancer.yaml',
      { loadBalancerIPs: ['203.0.113.10'], sourceRanges: ['198.51.100.0/24'], affinitySeconds: 600 },
    ],
    ['external-ips.yaml', { externalIPs: ['203.0.113.20', '2001:db8:113::20'] }],
    ['headless.yaml', { clusterIPs: [] }],
    ['externalname.yaml', { type: 'ExternalName', clusterIPs: [] }],
    ['multi-port.yaml', { ports: [{ name: 'dns', protocol: 'UDP' }, { name: 'dns-tcp' }, { name: 'metrics' }] }],
    ['dual-stack.yaml', { clusterIPs: [expect.stringMatching(/^fd00:96::/), expect.stringMatching(/^10\.96\./)] }],
  ])('%s shows it', (name, expected) => {
    const { services } = load(read(name));
    expect(services).toHaveLength(1);
    expect(services[0]).toMatchObject(expected);
  });

  it('selectorless.yaml has the backends of an Endpoints object', () => {
    const { slices } = load(read('selectorless.yaml'));
    const backends = slices.flatMap(({ endpoints, ports }) =>
      endpoints.map(({ address, state }) => `${address} ${ports.map(({ port }) => port).join(',')} ${state.ready}`),
    );
    expect(backends).toEqual([
      '192.0.2.71 8080,9100 true',
      '192.0.2.72 8080,9100 true',
      '192.0.2.73 8080,9100 false',
      '192.0.2.74 8081 true',
    ]);
  });
});
