// SPDX-License-Identifier: Apache-2.0
// From text to objects: documents, lists, other kinds, broken YAML, and where in the text something is wrong.

import { describe, expect, it } from 'vitest';
import { loadText } from '../../../../src/sources/manifests/load.ts';
import type { LoadedFile } from '../../../../src/sources/manifests/load.ts';
import { loadManifests } from '../../../../src/sources/manifests/load-manifests.ts';
import { ObjectReader } from '../../../../src/sources/manifests/objects.ts';
import { DEFAULT_NODE_PORTS } from '../../../../src/sources/manifests/port-range.ts';
import { problemText } from '../../../../src/sources/manifests/problem.ts';
import { complaints, service, slice, yaml } from './build.ts';

const texts = (text: string) => loadManifests(text, 'x.yaml').problems.map(problemText);
const names = (text: string) => loadManifests(text, 'x.yaml').services.map(({ name }) => name);
const oneLine = (name: string, port: number | string = 80) =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {clusterIP: 10.96.0.${name.charCodeAt(0)}, ports: [{port: ${port}}]}}`;

function load(text: string, known?: LoadedFile['pieces']): LoadedFile {
  const steps = loadText(text, 'x.yaml', new ObjectReader(DEFAULT_NODE_PORTS), known);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

describe('a file', () => {
  it('has any number of documents, empty ones and comments among them', () => {
    const text = `# first\n---\n---\n${oneLine('a')}\n--- # second\n# nothing\n---\n${oneLine('b')}\n---`;
    expect(names(text)).toEqual(['a', 'b']);
    expect(texts(text)).toEqual([]);
  });

  it('has documents that end with dots, and directives', () => {
    const text = `%YAML 1.2\n---\n${oneLine('a')}\n...\n%YAML 1.2\n---\n${oneLine('b')}\n`;
    expect(names(text)).toEqual(['a', 'b']);
    expect(texts(text)).toEqual([]);
  });

  it('has Windows line ends and a byte order mark', () => {
    expect(
      names(`\uFEFF${yaml(service('a', { clusterIP: '10.96.0.1' }))}---\n${oneLine('b')}`.replaceAll('\n', '\r\n')),
    ).toEqual(['a', 'b']);
  });

  it('has markers of its own inside texts', () => {
    const text = `apiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n    ---\n    kind: Service\n---\n${oneLine('a')}`;
    expect(names(text)).toEqual(['a']);
  });

  it('has anchors and merge keys', () => {
    const text = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
  spec: &spec
    clusterIP: 10.96.0.1
    ports: &ports [{port: 80}]
- apiVersion: v1
  kind: Service
  metadata: {name: b}
  spec:
    <<: *spec
    clusterIP: 10.96.0.2
`;
    expect(texts(text)).toEqual([]);
    expect(
      loadManifests(text, 'x').services.map(({ name, clusterIPs, ports }) => [name, clusterIPs, ports[0]?.port]),
    ).toEqual([
      ['a', ['10.96.0.1'], 80],
      ['b', ['10.96.0.2'], 80],
    ]);
  });

  it('has JSON, one object or a list', () => {
    const list = { apiVersion: 'v1', kind: 'List', items: [service('a', { clusterIP: '10.96.0.1' }), slice('a')] };
    const { services, slices } = loadManifests(JSON.stringify(list, null, 2), 'x.json');
    expect([services.length, slices.length]).toEqual([1, 1]);
    expect(names(JSON.stringify(service('b', { clusterIP: '10.96.0.1' })))).toEqual(['b']);
  });
});

describe('a list', () => {
  it.each([
    ['at the margin', ''],
    ['indented', '  '],
  ])('has its items %s', (_, indent) => {
    const item = (name: string) => `${indent}- ${oneLine(name)}\n`;
    const text = `kind: List\napiVersion: v1\nitems: # here\n\n${item('a')}${indent}# between\n${item('b')}metadata:\n  resourceVersion: ""\n`;
    expect(names(text)).toEqual(['a', 'b']);
    expect(texts(text)).toEqual([]);
  });

  it('spares its items the kind when it has one', () => {
    const items = [{ metadata: { name: 'a' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } }];
    const list = { apiVersion: 'v1', kind: 'ServiceList', items };
    expect(names(yaml(list))).toEqual(['a']);
    expect(names(JSON.stringify(list))).toEqual(['a']);
    expect(complaints({ apiVersion: 'v1', kind: 'List', items })).toEqual([
      'kind: is missing; write Service, Endpoints, EndpointSlice or Node',
    ]);
  });

  it('may be empty', () => {
    expect(complaints({ apiVersion: 'v1', kind: 'List', items: [] }, { apiVersion: 'v1', kind: 'List' })).toEqual([]);
  });

  it('has a list of items', () => {
    expect(complaints({ apiVersion: 'v1', kind: 'List', items: 5 })).toEqual([
      "items: is not a list; begin each item with '- '",
    ]);
  });

  it('keeps its lines when it is cut at the items', () => {
    const text = `apiVersion: v1\nitems:\n- ${oneLine('a')}\n- ${oneLine('b', 0)}\n-\n  ${oneLine('c', 'x')}\nkind: List\n`;
    expect(texts(text)).toEqual([
      'x.yaml:4:101: Service default/b: spec.ports[0].port: 0 is not a port number; use 1..65535',
      'x.yaml:6:101: Service default/c: spec.ports[0].port: "x" is a text, not a port number; use 1..65535',
    ]);
  });

  it('keeps the lines of what stands after its items', () => {
    const text = `kind: List\napiVersion: v1\nitems:\n- ${oneLine('a')}\n- ${oneLine('b')}\nkind: List\n`;
    expect(texts(text)).toEqual([expect.stringMatching(/^x\.yaml:6:\d+: is not YAML: duplicated mapping key/)]);
  });

  it('is read as a whole when its pieces make no sense', () => {
    const text = `kind: List\napiVersion: v1\nitems:\n  - {apiVersion: v1, kind: Service, metadata: {name: a},\n  - }\n`;
    expect(texts(text)).toEqual([expect.stringMatching(/^x\.yaml:5:\d+: is not YAML: /)]);
  });
});

describe('other objects', () => {
  it.each([
    ['another kind', { apiVersion: 'apps/v1', kind: 'Deployment' }, 'apps/v1 Deployment'],
    [
      'a kind of the same name',
      { apiVersion: 'serving.knative.dev/v1', kind: 'Service' },
      'serving.knative.dev/v1 Service',
    ],
  ])('are skipped: %s', (_, object, expected) => {
    const { problems, skipped } = loadManifests(yaml(object), 'x.yaml');
    expect([problems, skipped]).toEqual([[], [expected]]);
  });

  it.each([
    ['without a kind', { a: 1 }, 'kind: is missing; write Service, Endpoints, EndpointSlice or Node'],
    ['without a version', { kind: 'EndpointSlice' }, 'apiVersion: is missing; write discovery.k8s.io/v1'],
    ['without a version, of another kind', { kind: 'Pod' }, 'apiVersion: is missing; write the version of its API'],
    [
      'in an old version',
      { apiVersion: 'discovery.k8s.io/v1beta1', kind: 'EndpointSlice' },
      'apiVersion: "discovery.k8s.io/v1beta1" is not served; use discovery.k8s.io/v1',
    ],
    ['that are none', 'hello', '"hello" is not a Kubernetes object; write apiVersion, kind, metadata and spec'],
    ['that are a list', [1], 'a list is not a Kubernetes object; write apiVersion, kind, metadata and spec'],
  ])('are refused: %s', (_, object, expected) => {
    expect(complaints(object)).toEqual([expected]);
  });
});

describe('the place of a problem', () => {
  it('is that of the value, in its document', () => {
    const text = `${oneLine('a')}\n---\n# comment\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  clusterIP: 10.96.0.1\n  ports:\n    - name: http\n      port: 70000\n`;
    expect(texts(text)).toEqual([
      'x.yaml:12:13: Service default/web: spec.ports[0].port: 70000 is not a port number; use 1..65535',
    ]);
  });

  it('is that of what is around a value that is missing', () => {
    const text = `apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  clusterIP: 10.96.0.1\n  ports:\n    - name: http\n`;
    expect(texts(text)).toEqual(['x.yaml:9:7: Service shop/web: spec.ports[0].port: is missing; use 1..65535']);
  });

  it('is found in JSON', () => {
    const bad = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service('a', { clusterIP: 'x' })] }, null, 2);
    expect(texts(bad)).toEqual([
      expect.stringMatching(/^x\.yaml:17:22: Service default\/a: spec\.clusterIP: "x" is not an IP address/),
    ]);
  });

  it('is the line of the object for what concerns all of it', () => {
    expect(texts(`# one\n${oneLine('a')}\n---\n\n# again\n${oneLine('a')}\n`)).toEqual([
      'x.yaml:6: Service default/a: is also in x.yaml:2, which is used; remove one',
    ]);
  });

  it('is where the YAML breaks', () => {
    expect(texts(`${oneLine('a')}\n---\na:\n  - b\n c: d\n`)).toEqual([
      expect.stringMatching(/^x\.yaml:5:\d+: is not YAML: .*; correct it here or in the lines above$/),
    ]);
    expect(texts('{"kind": "Service",\n "spec": ')).toEqual([expect.stringMatching(/^x\.yaml:2:\d+: is not YAML: /)]);
  });

  it('is that of a key that stands twice', () => {
    expect(texts('apiVersion: v1\nkind: Service\nkind: Node\n')).toEqual([
      expect.stringMatching(/^x\.yaml:3:\d+: is not YAML: duplicated mapping key/),
    ]);
  });
});

describe('a second reading', () => {
  const text = (port: number) =>
    Array.from({ length: 50 }, (_, i) => `---\n${oneLine(`s${i}`, i === 7 ? port : 80)}\n`).join('');

  it('gives the same objects where the text is the same', () => {
    const first = load(text(80));
    const second = load(`# moved\n# by two lines\n${text(81)}`, first.pieces);
    const changed = second.objects.filter(({ object }, i) => object !== first.objects[i]?.object);
    expect(changed.map(({ object }) => object.label)).toEqual(['Service default/s7']);
    expect(second.objects.map(({ line }) => line)).toEqual(first.objects.map(({ line }) => line + 2));
  });

  it('gives the same objects of lists, in YAML and JSON', () => {
    const items = (port: number) => [service('a'), service('b', { ports: [{ port }] }), service('c')];
    const list = (port: number) => ({ apiVersion: 'v1', kind: 'List', items: items(port) });
    for (const write of [(value: unknown) => yaml(value), (value: unknown) => JSON.stringify(value, null, 1)]) {
      const first = load(write(list(80)));
      const second = load(write(list(81)), first.pieces);
      expect(second.objects.map(({ object }, i) => object === first.objects[i]?.object)).toEqual([true, false, true]);
    }
  });
});

describe('YAML of either parser', () => {
  it('has one meaning', async () => {
    const { parseAllDocuments } = await import('yaml');
    const { CORE_SCHEMA, loadAll, mergeTag } = await import('js-yaml');
    const tricky = `a: 0o17\nb: 0x1F\nc: 1e3\nd: ~\ne: yes\nf: 010\ng: 2024-01-01\nh: "\\u0041"\ni: |-\n  x\n   y\nj: >\n  x\n  y\n\n  z\nk: [1, 'it''s', {l: }]\nm: 1_000\nn: .5\no: 12:30\np: fd00::1\nq: <<\nr: null\ns: True\n`;
    const ours = loadAll(tricky, { schema: CORE_SCHEMA.withTags(mergeTag) });
    const documents = parseAllDocuments(tricky, { merge: true });
    expect(ours).toEqual([...documents].map((document) => document.toJS() as unknown));
  });
});
