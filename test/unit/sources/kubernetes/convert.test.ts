// SPDX-License-Identifier: Apache-2.0
// kube-proxy's reading of the fields, record by record.

import { describe, expect, it } from 'vitest';
import { isForeign, toMirroredSlices, toNode, toService, toSlice } from '../../../../src/sources/kubernetes/convert.ts';
import type { EndpointObject, ServiceObject } from '../../../../src/sources/kubernetes/objects.ts';

type Spec = NonNullable<ServiceObject['spec']>;

const serviceOf = (spec: Spec, others: Partial<ServiceObject> = {}) =>
  toService({ metadata: { name: 'web' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }], ...spec }, ...others });

const endpointOf = (endpoint: EndpointObject) =>
  toSlice({
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'], ...endpoint }],
  })?.endpoints[0];

describe('toService', () => {
  it('fills in what the API server would', () => {
    expect(toService({ metadata: { name: 'web' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } })).toEqual({
      namespace: 'default',
      name: 'web',
      type: 'ClusterIP',
      clusterIPs: ['10.96.0.1'],
      externalIPs: [],
      loadBalancerIPs: [],
      sourceRanges: [],
      ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }],
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Cluster',
      affinitySeconds: 0,
      healthCheckNodePort: 0,
      annotations: {},
    });
  });

  it('takes one cluster IP of each family, in the order given', () => {
    expect(serviceOf({ clusterIPs: ['fd00:96::1', '10.96.0.1', '10.96.0.2'] }).clusterIPs).toEqual([
      'fd00:96::1',
      '10.96.0.1',
    ]);
  });

  it('reads addresses as lenient as kube-proxy, and leaves out what is none', () => {
    const spec: Spec = {
      clusterIP: '172.30.0.041',
      externalIPs: ['x', '203.000.113.1', '2001:DB8::1', '203.0.113.1'],
      loadBalancerSourceRanges: [' 203.0.113.000/025', 'x', '10.1.2.3/8 '],
    };
    expect(serviceOf(spec)).toMatchObject({
      clusterIPs: ['172.30.0.41'],
      externalIPs: ['203.0.113.1', '2001:db8::1'],
      sourceRanges: ['203.0.113.0/25', '10.0.0.0/8'],
    });
  });

  it('takes load balancer addresses without a mode or with VIP, whatever the type', () => {
    const ingress = [
      { ip: '203.0.113.1' },
      { ip: '203.0.113.2', ipMode: 'VIP' },
      { ip: '203.0.113.3', ipMode: 'Proxy' },
      {},
    ];
    expect(serviceOf({}, { status: { loadBalancer: { ingress } } }).loadBalancerIPs).toEqual([
      '203.0.113.1',
      '203.0.113.2',
    ]);
  });

  it.each<[string, Spec]>([
    ['a headless Service', { clusterIP: 'None' }],
    ['a headless Service by its list', { clusterIP: null, clusterIPs: ['None'] }],
    ['an ExternalName', { type: 'ExternalName' }],
  ])('gives %s nothing to answer on', (_, spec) => {
    const record = serviceOf(
      { externalIPs: ['203.0.113.1'], ports: [{ port: 80, nodePort: 30080 }], ...spec },
      { status: { loadBalancer: { ingress: [{ ip: '203.0.113.2' }] } } },
    );
    expect(record).toMatchObject({ clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [{ nodePort: 0 }] });
  });

  it.each<[string, Spec, string]>([
    ['a ClusterIP Service', {}, 'Cluster'],
    ['a ClusterIP Service with external IPs', { externalIPs: ['203.0.113.1'] }, 'Local'],
    ['a NodePort Service', { type: 'NodePort' }, 'Local'],
    ['a LoadBalancer', { type: 'LoadBalancer' }, 'Local'],
  ])('reads externalTrafficPolicy: Local of %s as %s', (_, spec, expected) => {
    expect(serviceOf({ externalTrafficPolicy: 'Local', ...spec }).externalTrafficPolicy).toBe(expected);
  });

  it('has a health check port only for a LoadBalancer with the Local policy', () => {
    const local: Spec = { externalTrafficPolicy: 'Local', healthCheckNodePort: 30001 };
    expect(serviceOf({ type: 'LoadBalancer', ...local }).healthCheckNodePort).toBe(30001);
    expect(serviceOf({ type: 'NodePort', ...local }).healthCheckNodePort).toBe(0);
    expect(serviceOf({ type: 'LoadBalancer', healthCheckNodePort: 30001 }).healthCheckNodePort).toBe(0);
  });

  it('keeps clients for three hours unless told otherwise', () => {
    const config = { clientIP: { timeoutSeconds: 5 } };
    expect(serviceOf({ sessionAffinity: 'ClientIP' }).affinitySeconds).toBe(10_800);
    expect(serviceOf({ sessionAffinity: 'ClientIP', sessionAffinityConfig: config }).affinitySeconds).toBe(5);
    expect(serviceOf({ sessionAffinity: 'None', sessionAffinityConfig: config }).affinitySeconds).toBe(0);
  });

  it('keeps the annotations of bpfsvc only', () => {
    const annotations = { 'bpfsvc.io/weight': '2', 'kubectl.kubernetes.io/last-applied-configuration': '{}' };
    expect(serviceOf({}, { metadata: { name: 'web', annotations } }).annotations).toEqual({ 'bpfsvc.io/weight': '2' });
  });

  it('keeps the internal policy', () => {
    expect(serviceOf({ internalTrafficPolicy: 'Local' }).internalTrafficPolicy).toBe('Local');
  });
});

describe('isForeign', () => {
  it('is true for any value of the label, also none', () => {
    const labelled = (labels: Record<string, string>) => isForeign({ metadata: { name: 'web', labels } });
    expect(labelled({ 'service.kubernetes.io/service-proxy-name': '' })).toBe(true);
    expect(labelled({ 'service.kubernetes.io/service-proxy-name': 'other' })).toBe(true);
    expect(labelled({ 'service.kubernetes.io/headless': '' })).toBe(false);
  });
});

describe('toSlice', () => {
  it('counts an endpoint without conditions as ready and serving', () => {
    expect(endpointOf({})).toEqual({
      address: '192.0.2.1',
      state: {
        ready: true,
        serving: true,
        terminating: false,
        nodeName: '',
        zone: '',
        forZones: [],
        forNodes: [],
      },
    });
  });

  it('reads each condition by itself', () => {
    expect(endpointOf({ conditions: { ready: false } })?.state).toMatchObject({
      ready: false,
      serving: true,
      terminating: false,
    });
    expect(endpointOf({ conditions: { ready: null, serving: false, terminating: true } })?.state).toMatchObject({
      ready: true,
      serving: false,
      terminating: true,
    });
  });

  it('keeps node, zone and hints', () => {
    const hints = { forZones: [{ name: 'a' }, { name: 'b' }], forNodes: [{ name: 'n' }] };
    expect(endpointOf({ nodeName: 'n', zone: 'a', hints })?.state).toMatchObject({
      nodeName: 'n',
      zone: 'a',
      forZones: ['a', 'b'],
      forNodes: ['n'],
    });
  });

  it('uses the first address only', () => {
    expect(endpointOf({ addresses: ['192.0.2.7', '192.0.2.8'] })?.address).toBe('192.0.2.7');
  });

  const labels = { 'kubernetes.io/service-name': 'web' };
  const base = { metadata: { name: 'web-1', namespace: 'shop', labels }, addressType: 'IPv4' };

  it('leaves out endpoints without an address of the family', () => {
    const endpoints = [{ addresses: [] }, { addresses: null }, { addresses: ['2001:db8::1'] }, { addresses: ['x'] }];
    expect(toSlice({ ...base, endpoints })?.endpoints).toEqual([]);
  });

  it('leaves out ports without a name or number', () => {
    const ports = [
      { name: '', port: 80 },
      { name: 'a' },
      { name: 'b', port: 0 },
      { port: 81 },
      { name: null, port: 82 },
    ];
    expect(toSlice({ ...base, ports })).toMatchObject({
      namespace: 'shop',
      name: 'web-1',
      service: 'web',
      family: 4,
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    });
  });

  it.each([
    ['no Service is named', { metadata: { name: 'x' } }],
    ['the Service has no name', { metadata: { name: 'x', labels: { 'kubernetes.io/service-name': '' } } }],
    ['it is a headless one', { metadata: { name: 'x', labels: { ...labels, 'service.kubernetes.io/headless': '' } } }],
    ['it has names instead of addresses', { addressType: 'FQDN' }],
  ])('is undefined when %s', (_, fields) => {
    expect(toSlice({ ...base, ...fields })).toBeUndefined();
  });
});

describe('toMirroredSlices', () => {
  it('makes a slice of each subset and family', () => {
    const slices = toMirroredSlices({
      metadata: { name: 'db', namespace: 'shop' },
      subsets: [
        {
          addresses: [{ ip: '192.0.2.1', nodeName: 'n' }, { ip: '2001:db8::1' }],
          notReadyAddresses: [{ ip: '192.0.2.2' }],
          ports: [
            { name: 'a', port: 1 },
            { name: 'b', port: 2, protocol: 'UDP' },
          ],
        },
        { addresses: [{ ip: '192.0.2.3' }], ports: [{ port: 3 }] },
      ],
    });
    expect(
      slices.map(({ name, service, family, endpoints }) => [
        name,
        service,
        family,
        endpoints.map(({ address, state }) => `${address} ${state.ready}`),
      ]),
    ).toEqual([
      ['endpoints/db-0-4', 'db', 4, ['192.0.2.1 true', '192.0.2.2 false']],
      ['endpoints/db-0-6', 'db', 6, ['2001:db8::1 true']],
      ['endpoints/db-1-4', 'db', 4, ['192.0.2.3 true']],
    ]);
    expect(slices[0]?.ports).toEqual([
      { name: 'a', protocol: 'TCP', port: 1 },
      { name: 'b', protocol: 'UDP', port: 2 },
    ]);
    expect(slices[0]?.endpoints[0]?.state.nodeName).toBe('n');
    expect(slices[2]?.ports).toEqual([{ name: '', protocol: 'TCP', port: 3 }]);
  });

  it('makes none of an object that is not to be mirrored', () => {
    const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
    const subsets = [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 1 }] }];
    expect(toMirroredSlices({ metadata: { name: 'db', labels }, subsets })).toEqual([]);
  });
});

describe('toNode', () => {
  it('has the internal addresses first, no names, the pod prefixes and the zone', () => {
    const addresses = [
      { type: 'Hostname', address: 'node-a' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: '2001:DB8::1' },
    ];
    const node = toNode({
      metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/zone': 'a' } },
      spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24', 'fd00::/64'] },
      status: { addresses },
    });
    expect(node).toEqual({
      name: 'node-a',
      addresses: ['192.0.2.1', '2001:db8::1', '203.0.113.1'],
      podCIDRs: ['10.244.0.0/24', 'fd00::/64'],
      zone: 'a',
    });
  });

  it('needs nothing but a name', () => {
    expect(toNode({ metadata: { name: 'a' } })).toEqual({ name: 'a', addresses: [], podCIDRs: [], zone: '' });
    expect(toNode({ metadata: { name: 'a' }, spec: { podCIDR: '10.0.0.0/24' } }).podCIDRs).toEqual(['10.0.0.0/24']);
  });
});
