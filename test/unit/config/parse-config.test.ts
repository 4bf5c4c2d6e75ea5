// SPDX-License-Identifier: Apache-2.0
// Configuration files as kubeadm and people write them, and what is said of those that are wrong.

import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/config/configuration-error.ts';
import { parseConfiguration } from '../../../src/config/parse-config.ts';

const KUBE_PROXY = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
const BPFSVC = 'apiVersion: bpfsvc.io/v1alpha1\nkind: BpfsvcConfiguration\n';

/** What kubeadm 1.36 puts into the ConfigMap kube-proxy: every field, most of them zero or null. */
const KUBEADM = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
windowsRunAsService: false
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`;

function mistakes(text: string): string[] {
  try {
    parseConfiguration(text, 'config.conf');
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('parseConfiguration', () => {
  it('takes what kubeadm writes without a word', () => {
    const { kubeProxy, bpfsvc, warnings } = parseConfiguration(KUBEADM, 'config.conf');
    expect(warnings).toEqual([]);
    expect(bpfsvc).toBeUndefined();
    expect(kubeProxy).toMatchObject({ clusterCIDR: '10.244.0.0/16,fd00:10:244::/56', configSyncPeriod: 0 });
    expect(kubeProxy).not.toHaveProperty('oomScoreAdj');
  });

  it('reads both documents in either order, and skips empty ones', () => {
    for (const documents of [
      [KUBE_PROXY, BPFSVC],
      [BPFSVC, '', KUBE_PROXY, '# nothing\n'],
    ]) {
      const { kubeProxy, bpfsvc } = parseConfiguration(documents.join('---\n'), 'config.conf');
      expect(kubeProxy?.kind).toBe('KubeProxyConfiguration');
      expect(bpfsvc?.kind).toBe('BpfsvcConfiguration');
    }
  });

  it('reads JSON', () => {
    const text = JSON.stringify({ apiVersion: 'bpfsvc.io/v1alpha1', kind: 'BpfsvcConfiguration', devices: ['eth*'] });
    expect(parseConfiguration(text, 'config.json').bpfsvc?.devices).toEqual(['eth*']);
  });

  it('tells all mistakes at once, each with line and field', () => {
    const text = `${KUBE_PROXY}bindAddress: 10.0.0\nconntrack:\n  udpTimeout: soon\noomScoreAdj: -1001\n`;
    expect(mistakes(text)).toEqual([
      'config.conf:3: bindAddress: "10.0.0" is not an IP address; write it like 0.0.0.0 or ::',
      'config.conf:5: conntrack.udpTimeout: "soon" is not a duration; write it like 30s, 15m or 1h30m',
      'config.conf:6: oomScoreAdj: -1001 is out of range; use a number of -1000..1000',
    ]);
  });

  it('counts lines through the whole file', () => {
    expect(mistakes(`${KUBE_PROXY}---\n${BPFSVC}logLevel: loud\n`)).toEqual([
      expect.stringMatching(/^config\.conf:6: logLevel: "loud" is not known; use trace, debug/),
    ]);
  });

  it("warns of a field that is unknown in kube-proxy's document and goes on", () => {
    const { kubeProxy, warnings } = parseConfiguration(`${KUBE_PROXY}iptables:\n  frobs: 1\nmode: nftables\n`, 'c');
    expect(warnings).toEqual(['c:4: iptables.frobs: is not a field of this kind; ignored']);
    expect(kubeProxy).toMatchObject({ mode: 'nftables', iptables: {} });
  });

  it("warns of a field that stands twice in kube-proxy's document, and takes the last", () => {
    const { kubeProxy, warnings } = parseConfiguration(`${KUBE_PROXY}mode: ipvs\nmode: nftables\n`, 'c');
    expect(warnings).toEqual(['c:4: this field stands here twice; the last one counts']);
    expect(kubeProxy?.mode).toBe('nftables');
  });

  it("refuses an unknown or repeated field in bpfsvc's own document", () => {
    expect(mistakes(`${BPFSVC}device: [eth0]\n`)).toEqual(['config.conf:3: device: is not a field of this kind']);
    expect(mistakes(`${BPFSVC}devices: [a]\ndevices: [b]\n`)).toEqual([
      'config.conf:4: this field stands here twice; write it once',
    ]);
  });

  it('refuses other kinds, and two documents of one kind', () => {
    expect(mistakes('apiVersion: v1\nkind: ConfigMap\n')).toEqual([
      'config.conf:1: is ConfigMap of v1; use KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1 ' +
        'or BpfsvcConfiguration of bpfsvc.io/v1alpha1',
    ]);
    expect(mistakes('devices: []\n')).toEqual([expect.stringContaining('names no apiVersion and kind')]);
    expect(mistakes(`${BPFSVC}---\n${BPFSVC}`)).toEqual(['config.conf:4: is a second BpfsvcConfiguration; write one']);
    expect(mistakes(KUBE_PROXY.replace('v1alpha1', 'v1alpha2'))).toHaveLength(1);
  });

  it('says where a text stops being YAML', () => {
    expect(mistakes(`${KUBE_PROXY}mode: [nftables\n`)).toEqual([
      expect.stringMatching(/^config\.conf:\d: is not YAML: /),
    ]);
  });

  it.each([
    ['mode: ebpf', 'mode'],
    ['detectLocalMode: Magic', 'detectLocalMode'],
    ['detectLocalMode: BridgeInterface', 'detectLocal.bridgeInterface'],
    ['detectLocalMode: InterfaceNamePrefix\ndetectLocal: {bridgeInterface: br0}', 'detectLocal.interfaceNamePrefix'],
    ['clusterCIDR: 10.0.0.0/8,10.1.0.0/16', 'clusterCIDR'],
    ['clusterCIDR: 10.0.0.0', 'clusterCIDR'],
    ['healthzBindAddress: 0.0.0.0:0', 'healthzBindAddress'],
    ['metricsBindAddress: localhost:10249', 'metricsBindAddress'],
    ['metricsBindAddress: ::1:10249', 'metricsBindAddress'],
    ['nodePortAddresses: [primary, 10.0.0.0/8]', 'nodePortAddresses'],
    ['nodePortAddresses: [10.0.0.1]', 'nodePortAddresses[0]'],
    ['configSyncPeriod: -1s', 'configSyncPeriod'],
    ['iptables: {syncPeriod: 10s, minSyncPeriod: 11s}', 'iptables.minSyncPeriod'],
    ['iptables: {minSyncPeriod: 31s}', 'iptables.minSyncPeriod'],
    ['iptables: {masqueradeBit: 32}', 'iptables.masqueradeBit'],
    ['mode: nftables\nnftables: {syncPeriod: -1s}', 'nftables.syncPeriod'],
    ['mode: ipvs\nipvs: {minSyncPeriod: -1s}', 'ipvs.minSyncPeriod'],
    ['conntrack: {min: -1}', 'conntrack.min'],
    ['conntrack: {tcpEstablishedTimeout: -1s}', 'conntrack.tcpEstablishedTimeout'],
    ['iptables: 3', 'iptables'],
  ])('refuses %j as kube-proxy does', (text, field) => {
    const found = mistakes(`${KUBE_PROXY}${text}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(` ${field}: `);
  });

  it.each([
    'nftables: {syncPeriod: -1s, masqueradeBit: 99}',
    'mode: nftables\nipvs: {minSyncPeriod: -1s}',
    'healthzBindAddress: "[::]:10256"',
    'metricsBindAddress: 127.0.0.1',
    'bindAddress: "::"',
    'nodePortAddresses: [primary]',
    'nodePortAddresses: ["10.0.0.0/8", "fd00::/8"]',
    'featureGates: {AllAlpha: true, SomethingNew: false}',
    'iptables: {masqueradeAll: yes}',
  ])('takes %j as kube-proxy does', (text) => {
    expect(mistakes(`${KUBE_PROXY}${text}\n`)).toEqual([]);
  });

  it.each([
    ['devices: eth0', 'devices'],
    ['maglev: {maxTableSize: 100}', 'maglev.maxTableSize'],
    ['flows: {timeouts: {udp: 0s}}', 'flows.timeouts.udp'],
    ['serviceNodePortRange: 0-10', 'serviceNodePortRange'],
    ['serviceCIDRs: [10.96.0.1/16]', 'serviceCIDRs[0]'],
  ])("refuses %j in bpfsvc's own document", (text, field) => {
    const found = mistakes(`${BPFSVC}${text}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(` ${field}: `);
  });
});
