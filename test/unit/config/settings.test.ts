// SPDX-License-Identifier: Apache-2.0
// What the fields of both documents mean to the agent.

import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../../src/config/parse-config.ts';
import { toSettings } from '../../../src/config/settings.ts';
import type { Settings } from '../../../src/config/settings.ts';

function settings(kubeProxy: object, bpfsvc: object = {}): Settings {
  const documents = [
    { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', ...kubeProxy },
    { apiVersion: 'bpfsvc.io/v1alpha1', kind: 'BpfsvcConfiguration', ...bpfsvc },
  ];
  const text = documents.map((document) => JSON.stringify(document)).join('\n---\n');
  return toSettings(parseConfiguration(text, 'c'), { directory: '/etc/bpfsvc', cpus: 8 });
}

describe('toSettings', () => {
  it('takes the node name as kube-proxy does, bpfsvc first', () => {
    expect(settings({ hostnameOverride: ' Node-A ' }).nodeName).toBe('node-a');
    expect(settings({ hostnameOverride: '' }).nodeName).toBeUndefined();
    expect(settings({ hostnameOverride: 'a' }, { nodeName: 'b' }).nodeName).toBe('b');
  });

  it('makes pod devices of how kube-proxy detects local traffic', () => {
    const prefix = { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'veth' } };
    expect(settings(prefix).podDevices).toEqual(['veth*']);
    const bridge = { detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'br0' } };
    expect(settings(bridge).podDevices).toEqual(['br0']);
    expect(settings(bridge, { podDevices: ['cali*'] }).podDevices).toEqual(['cali*']);
    expect(settings({ detectLocalMode: 'ClusterCIDR' }).podDevices).toBeUndefined();
  });

  it('opens a family that no NodePort prefix speaks of, and says so', () => {
    const { nodePortAddresses, warnings } = settings({ nodePortAddresses: ['192.168.0.0/16'] });
    expect(nodePortAddresses).toEqual(['192.168.0.0/16', '::/0']);
    expect(warnings).toEqual(['nodePortAddresses: no IPv6 prefix; NodePorts answer on all IPv6 addresses']);
    expect(settings({ nodePortAddresses: ['10.0.0.0/8', 'fd00::/8'] }).warnings).toEqual([]);
    expect(settings({}).nodePortAddresses).toEqual([]);
  });

  it("takes 'primary', and for it the address that kube-proxy is bound to", () => {
    const { nodePortAddresses, bindAddress, warnings } = settings({ nodePortAddresses: ['primary'] });
    expect([nodePortAddresses, bindAddress, warnings]).toEqual(['primary', undefined, []]);
    expect(settings({ bindAddress: '192.0.2.07' }).bindAddress).toBe('192.0.2.7');
    for (const none of ['', '0.0.0.0', '::']) expect(settings({ bindAddress: none }).bindAddress).toBeUndefined();
  });

  it('sizes the flow table by conntrack limits that are set, two rows a connection', () => {
    expect(settings({}).flowEntries).toBeUndefined();
    expect(settings({ conntrack: { maxPerCore: 32_768 } }).flowEntries).toBe(2 * 8 * 32_768);
    expect(settings({ conntrack: { maxPerCore: 1000, min: 50_000 } }).flowEntries).toBe(100_000);
    expect(settings({ conntrack: { maxPerCore: 0, min: 50_000 } }).flowEntries).toBeUndefined();
    expect(settings({ conntrack: { maxPerCore: 1000 } }, { flows: { entries: 4096 } }).flowEntries).toBe(4096);
  });

  it('takes conntrack timeouts, 0 leaving the default, and bpfsvc first', () => {
    const conntrack = { tcpEstablishedTimeout: '2h', tcpCloseWaitTimeout: '0s', udpTimeout: '400ms' };
    expect(settings({ conntrack }).timeouts).toEqual({ tcpEstablished: 7200, udp: 1 });
    expect(
      settings({ conntrack }, { flows: { timeouts: { tcpEstablished: '1h', udpStream: '3m' } } }).timeouts,
    ).toEqual({
      tcpEstablished: 3600,
      udp: 1,
      udpStream: 180,
    });
  });

  it("turns klog's verbosity into a level", () => {
    expect(settings({ logging: { verbosity: 3 } }).logLevel).toBeUndefined();
    expect(settings({ logging: { verbosity: 4 } }).logLevel).toBe('debug');
    expect(settings({ logging: { verbosity: 6 } }).logLevel).toBe('trace');
    expect(settings({ logging: { verbosity: 6 } }, { logLevel: 'warn' }).logLevel).toBe('warn');
    expect(settings({ logging: { format: 'json' } }).logJson).toBe(true);
  });

  it("reads paths relative to the file's directory", () => {
    const { manifests, bpffs, optOutNetns } = settings(
      {},
      { manifests: ['services', '/srv/more'], bpffs: '../bpf', optOutNetns: ['/run/netns/*'] },
    );
    expect(manifests).toEqual(['/etc/bpfsvc/services', '/srv/more']);
    expect(bpffs).toBe('/etc/bpf');
    expect(optOutNetns).toEqual(['/run/netns/*']);
  });
});
