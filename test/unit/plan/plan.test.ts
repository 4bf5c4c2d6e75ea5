// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { planService } from '../../../src/plan/plan.ts';
import type { WantedPort } from '../../../src/plan/types.ts';
import { endpoint, address, port, serviceRecord, sliceRecord } from '../../support/records.ts';

const node = { name: 'here', zone: '' };

function frontends(wanted: WantedPort | undefined): string[] {
  return (wanted?.frontends ?? []).map((f) => `${f.kind} ${f.address} ${f.port} ${f.internal}/${f.external}`);
}

function backends(wanted: WantedPort | undefined, scope: 'cluster' | 'local' = 'cluster'): string[] {
  return (wanted?.sets[scope].backends ?? []).map(({ key, locality }) => `${key} ${locality}`);
}

describe('the plan of a Service', () => {
  test('has a frontend for each kind of address, and clients on this node are led to the cluster list', () => {
    const service = serviceRecord('web', ['10.96.0.1'], {
      externalIPs: [address('192.0.2.7')],
      loadBalancerIPs: [address('203.0.113.7')],
      ports: [port(80, { nodePort: 30080 })],
      externalTrafficPolicy: 'Local',
    });
    const { ports } = planService(service, [], node);
    expect(frontends(ports[0])).toEqual([
      'ClusterIP 10.96.0.1 80 cluster/cluster',
      'ExternalIP 192.0.2.7 80 cluster/local',
      'LoadBalancer 203.0.113.7 80 cluster/local',
      'NodePort 0.0.0.0 30080 cluster/local',
    ]);
  });

  test('leads everybody who uses a cluster IP to the local list when internalTrafficPolicy says so', () => {
    const { ports } = planService(serviceRecord('web', ['10.96.0.1'], { internalTrafficPolicy: 'Local' }), [], node);
    expect(frontends(ports[0])).toEqual(['ClusterIP 10.96.0.1 80 local/local']);
  });

  test('keeps the families apart, each with its own port and endpoints', () => {
    const service = serviceRecord('web', ['10.96.0.1', 'fd00::1'], { ports: [port(80, { nodePort: 30080 })] });
    const slices = [
      sliceRecord('web', [endpoint('10.1.0.1', { nodeName: 'here' })]),
      sliceRecord('web', [endpoint('fd01::1', { nodeName: 'there' })], { name: 'web-6' }),
    ];
    const { ports } = planService(service, slices, node);
    expect(ports.map((of) => [of.family, ...frontends(of), ...backends(of)])).toEqual([
      [
        4,
        'ClusterIP 10.96.0.1 80 cluster/cluster',
        'NodePort 0.0.0.0 30080 cluster/cluster',
        '10.1.0.1 8080/TCP local',
      ],
      [6, 'ClusterIP fd00::1 80 cluster/cluster', 'NodePort :: 30080 cluster/cluster', 'fd01::1 8080/TCP remote'],
    ]);
  });

  test('knows of a UDP port who serves: ready or not, terminating or not, near or far', () => {
    const service = serviceRecord('dns', ['10.96.0.10'], { ports: [port(53, { protocol: 'UDP' }), port(80)] });
    const endpoints = [
      endpoint('10.1.0.1', { nodeName: 'there', forZones: ['elsewhere'] }),
      endpoint('10.1.0.2', { ready: false, serving: true, terminating: true }),
      endpoint('10.1.0.3', { ready: false, serving: false, terminating: true }),
      endpoint('10.1.0.4', { ready: true, serving: false }),
      endpoint('10.1.0.5', { ready: false, serving: false }),
    ];
    const slice = sliceRecord('dns', endpoints, { protocol: 'UDP', number: 5353 });
    const { ports } = planService(service, [slice], node);
    expect(ports.map(({ serving }) => serving)).toEqual([
      ['10.1.0.1 5353/UDP', '10.1.0.2 5353/UDP', '10.1.0.4 5353/UDP'],
      undefined,
    ]);
  });

  test('does not exist for a family without a cluster IP', () => {
    const service = serviceRecord('web', ['10.96.0.1'], { externalIPs: [address('2001:db8::7')] });
    expect(planService(service, [], node).ports.map(({ family }) => family)).toEqual([4]);
  });

  test('is empty for headless and ExternalName Services, and for SCTP', () => {
    expect(planService(serviceRecord('web', []), [], node).ports).toEqual([]);
    const sctp = serviceRecord('web', ['10.96.0.1'], { ports: [port(80, { protocol: 'SCTP' })] });
    expect(planService(sctp, [], node).ports).toEqual([]);
  });

  test('joins endpoints by port name and protocol, whatever their number, over all slices', () => {
    const service = serviceRecord('web', ['10.96.0.1'], {
      ports: [port(80), port(80, { protocol: 'UDP', name: 'dns' })],
    });
    const slices = [
      sliceRecord('web', [endpoint('10.1.0.2')], { number: 8080 }),
      sliceRecord('web', [endpoint('10.1.0.1')], { name: 'b', number: 9090 }),
      sliceRecord('web', [endpoint('10.1.0.3')], { name: 'c', portName: 'other' }),
      sliceRecord('web', [endpoint('10.1.0.4')], { name: 'd', portName: 'dns', protocol: 'UDP', number: 53 }),
    ];
    const wanted = planService(service, slices, node).ports;
    expect(wanted.map((of) => backends(of))).toEqual([
      ['10.1.0.1 9090/TCP unknown', '10.1.0.2 8080/TCP unknown'],
      ['10.1.0.4 53/UDP unknown'],
    ]);
    expect(planService(service, slices.reverse(), node).ports).toEqual(wanted);
  });

  test('takes an endpoint that is listed twice once, and as running rather than terminating', () => {
    const running = endpoint('10.1.0.1');
    const ending = endpoint('10.1.0.1', { ready: false, terminating: true });
    for (const order of [
      [running, ending],
      [ending, running],
    ]) {
      const slices = order.map((one, i) => sliceRecord('web', [one], { name: `web-${i}` }));
      const { ports } = planService(serviceRecord('web', ['10.96.0.1']), slices, node);
      expect(backends(ports[0])).toEqual(['10.1.0.1 8080/TCP unknown']);
      expect(ports[0]?.sets.cluster.whenEmpty).toBe('reject');
    }
  });

  test('does not depend on the order in which slices came that contradict each other', () => {
    const slices = ['here', 'there'].map((nodeName) =>
      sliceRecord('web', [endpoint('10.1.0.1', { nodeName })], { name: `web-${nodeName}` }),
    );
    const service = serviceRecord('web', ['10.96.0.1']);
    expect(planService(service, slices.toReversed(), node)).toEqual(planService(service, slices, node));
  });

  test('names an address once that is an external IP and a load balancer too', () => {
    const twice = [address('192.0.2.7')];
    const { ports } = planService(
      serviceRecord('web', ['10.96.0.1'], { externalIPs: twice, loadBalancerIPs: twice }),
      [],
      node,
    );
    expect(frontends(ports[0])).toEqual([
      'ClusterIP 10.96.0.1 80 cluster/cluster',
      'ExternalIP 192.0.2.7 80 cluster/cluster',
    ]);
  });

  test('says of an empty list whether endpoints are elsewhere (silence) or nowhere (refusal)', () => {
    const elsewhere = sliceRecord('web', [endpoint('10.1.0.1', { nodeName: 'there' })]);
    const { ports } = planService(serviceRecord('web', ['10.96.0.1']), [elsewhere], node);
    expect(ports[0]?.sets.local).toEqual({ backends: [], whenEmpty: 'drop' });
    const none = planService(serviceRecord('web', ['10.96.0.1']), [], node).ports[0];
    expect(none?.sets.local).toEqual({ backends: [], whenEmpty: 'reject' });
    expect(none?.sets.cluster).toEqual({ backends: [], whenEmpty: 'reject' });
  });
});
