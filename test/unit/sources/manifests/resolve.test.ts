// SPDX-License-Identifier: Apache-2.0
// The objects of several files together, through edits: which count, and that the others do not move.

import { describe, expect, it } from 'vitest';
import { loadText } from '../../../../src/sources/manifests/load.ts';
import { ObjectReader } from '../../../../src/sources/manifests/objects.ts';
import { DEFAULT_NODE_PORTS } from '../../../../src/sources/manifests/port-range.ts';
import { problemText } from '../../../../src/sources/manifests/problem.ts';
import type { FileObjects } from '../../../../src/sources/manifests/resolve.ts';
import { Resolver } from '../../../../src/sources/manifests/resolve.ts';
import type { Fields } from './build.ts';
import { CIDRS, endpoints, load, node, service, slice, yaml } from './build.ts';

const reader = new ObjectReader(DEFAULT_NODE_PORTS);

function file(name: string, ...objects: unknown[]): FileObjects {
  const steps = loadText(yaml(...objects), name, reader);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  if (step.value.problems.length > 0) throw new Error(step.value.problems.map(problemText).join('\n'));
  return { file: name, objects: step.value.objects };
}

const resolver = () => new Resolver(CIDRS, DEFAULT_NODE_PORTS);
const backend = (address: string): Fields => ({ endpoints: [{ addresses: [address] }] });

describe('an object that is there twice', () => {
  it('counts once, from the first file, and both places are named', () => {
    const resolved = resolver().resolve([
      file('a.yaml', service('x'), service('web', { ports: [{ port: 1 }] })),
      file('b.yaml', service('web', { ports: [{ port: 2 }] })),
    ]);
    expect(resolved.services.get('default/web')?.ports[0]?.port).toBe(1);
    expect(resolved.problems.map(problemText)).toEqual([
      'b.yaml:1: Service default/web: is also in a.yaml:9, which is used; remove one',
    ]);
  });

  it('counts from the second file when the first has it no more', () => {
    const it = resolver();
    const second = file('b.yaml', service('web', { ports: [{ port: 2 }] }));
    it.resolve([file('a.yaml', service('web')), second]);
    const resolved = it.resolve([file('a.yaml'), second]);
    expect(resolved.services.get('default/web')?.ports[0]?.port).toBe(2);
    expect(resolved.problems).toEqual([]);
  });

  it('is not there twice when kinds or namespaces differ', () => {
    const metadata = (namespace: string) => ({ metadata: { name: 'web', namespace } });
    const objects = [
      service('web', {}, metadata('a')),
      service('web', {}, metadata('b')),
      endpoints('web'),
      node('web'),
    ];
    expect(resolver().resolve([file('a.yaml', ...objects)]).problems).toEqual([]);
  });

  it('has the namespace default when it names none', () => {
    const explicit = service('web', {}, { metadata: { name: 'web', namespace: 'default' } });
    expect(resolver().resolve([file('a.yaml', service('web'), explicit)]).problems).toHaveLength(1);
  });
});

describe('a Service of another proxy', () => {
  it('is not there', () => {
    const labels = { 'service.kubernetes.io/service-proxy-name': '' };
    const { services, problems } = load(service('web', {}, { metadata: { name: 'web', labels } }));
    expect([services, problems]).toEqual([[], []]);
  });
});

describe('an Endpoints object', () => {
  const subset = { addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 8080 }] };

  it('counts as long as its Service has no EndpointSlice', () => {
    const it = resolver();
    const old = file('a.yaml', endpoints('web', subset));
    expect([...it.resolve([old]).slices.keys()]).toEqual(['default/web/endpoints/web-0-4']);
    expect([...it.resolve([old, file('b.yaml', slice('web'))]).slices.keys()]).toEqual(['default/web/web-1']);
    expect([...it.resolve([old]).slices.keys()]).toEqual(['default/web/endpoints/web-0-4']);
  });

  it('counts beside the EndpointSlices of other Services', () => {
    const { slices } = load(
      endpoints('web', subset),
      slice('other'),
      slice('web', {
        addressType: 'FQDN',
        metadata: { name: 'fqdn', labels: { 'kubernetes.io/service-name': 'web' } },
        endpoints: [],
      }),
    );
    expect(slices.map(({ service: of }) => of).sort()).toEqual(['other', 'web']);
  });
});

describe('an endpoint with the address of a Service', () => {
  it('is found when the Service comes after the endpoint', () => {
    const it = resolver();
    const slices = file('s.yaml', slice('b', backend('10.96.0.1')));
    expect(it.resolve([slices]).slices.size).toBe(1);
    const resolved = it.resolve([file('a.yaml', service('a', { clusterIP: '10.96.0.1' })), slices]);
    expect(resolved.problems.map(({ object }) => object)).toEqual(['EndpointSlice default/b-1']);
  });

  it('leaves its slice as it was', () => {
    const it = resolver();
    const services = file('a.yaml', service('a', { clusterIP: '10.96.0.1' }));
    const before = it.resolve([services, file('b.yaml', slice('b', backend('192.0.2.1')))]).slices.get('default/b/b-1');
    const after = it.resolve([services, file('b.yaml', slice('b', backend('10.96.0.1')))]);
    expect(after.slices.get('default/b/b-1')).toBe(before);
    expect(after.problems).toHaveLength(1);
    expect(it.resolve([services, file('b.yaml', slice('b', backend('192.0.2.2')))]).problems).toEqual([]);
  });

  it('is none any more when the Service has gone', () => {
    const it = resolver();
    const slices = file('s.yaml', slice('b', backend('10.96.0.1')));
    it.resolve([file('a.yaml', service('a', { clusterIP: '10.96.0.1' })), slices]);
    const resolved = it.resolve([slices]);
    expect([resolved.problems, resolved.slices.size]).toEqual([[], 1]);
  });
});

describe('what did not change', () => {
  it('is the same object as before', () => {
    const it = resolver();
    const files = [file('a.yaml', service('a', { type: 'NodePort' }), slice('a'), node('n'))];
    const before = it.resolve(files);
    const after = it.resolve([...files, file('b.yaml', service('b'))]);
    expect(after.services.get('default/a')).toBe(before.services.get('default/a'));
    expect(after.slices.get('default/a/a-1')).toBe(before.slices.get('default/a/a-1'));
    expect(after.nodes.get('n')).toBe(before.nodes.get('n'));
  });
});
