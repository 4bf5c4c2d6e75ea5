// SPDX-License-Identifier: Apache-2.0
// KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1: what kube-proxy accepts is accepted, what it refuses is
// refused. Zero values stand for defaults, as kubeadm writes them. What the fields mean to bpfsvc is in settings.ts.

import * as z from 'zod';
import { parsePrefixLenient } from '../net/prefix.ts';
import { across, bool, integer, issue, list, oneOf, text } from '../sources/manifests/fields.ts';
import type { Issue } from '../sources/manifests/problem.ts';
import {
  anything,
  checked,
  duration,
  number,
  optionalAddress,
  optionalEndpoint,
  optionalPrefixPair,
  section,
} from './fields.ts';

export const KUBE_PROXY_API = 'kubeproxy.config.k8s.io/v1alpha1';
export const KUBE_PROXY_KIND = 'KubeProxyConfiguration';

export const PRIMARY = 'primary';

const nodePortAddress = checked(
  (value) => value === PRIMARY || parsePrefixLenient(value) !== undefined,
  `is neither a prefix nor '${PRIMARY}'; write it like 192.0.2.0/24`,
);

/** The same fields in the sections of all modes; checked only where the mode uses them. */
const periods = { syncPeriod: duration.optional(), minSyncPeriod: duration.optional() };
const masquerade = { masqueradeBit: number.optional(), masqueradeAll: bool.optional() };

const natural = integer(0, Number.MAX_SAFE_INTEGER);

export const kubeProxySchema = z
  .strictObject({
    apiVersion: z.literal(KUBE_PROXY_API),
    kind: z.literal(KUBE_PROXY_KIND),
    featureGates: z.record(z.string(), bool).optional(),
    clientConnection: section({
      kubeconfig: text.optional(),
      acceptContentTypes: text.optional(),
      contentType: text.optional(),
      qps: number.optional(),
      burst: natural.optional(),
    }),
    logging: section({
      format: oneOf(['', 'text', 'json']).optional(),
      flushFrequency: anything.optional(),
      verbosity: natural.optional(),
      vmodule: anything.optional(),
      options: anything.optional(),
    }),
    hostnameOverride: text.optional(),
    bindAddress: optionalAddress.optional(),
    healthzBindAddress: optionalEndpoint.optional(),
    metricsBindAddress: optionalEndpoint.optional(),
    bindAddressHardFail: bool.optional(),
    enableProfiling: bool.optional(),
    showHiddenMetricsForVersion: text.optional(),
    mode: oneOf(['', 'iptables', 'ipvs', 'nftables']).optional(),
    iptables: section({ ...masquerade, localhostNodePorts: bool.optional(), ...periods }),
    ipvs: section({
      ...periods,
      scheduler: text.optional(),
      excludeCIDRs: list(text).optional(),
      strictARP: bool.optional(),
      tcpTimeout: duration.optional(),
      tcpFinTimeout: duration.optional(),
      udpTimeout: duration.optional(),
    }),
    nftables: section({ ...masquerade, ...periods }),
    winkernel: anything.optional(),
    windowsRunAsService: bool.optional(),
    detectLocalMode: oneOf(['', 'ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix']).optional(),
    detectLocal: section({ bridgeInterface: text.optional(), interfaceNamePrefix: text.optional() }),
    clusterCIDR: optionalPrefixPair.optional(),
    nodePortAddresses: list(nodePortAddress).optional(),
    oomScoreAdj: integer(-1000, 1000).optional(),
    conntrack: section({
      maxPerCore: natural.optional(),
      min: natural.optional(),
      tcpEstablishedTimeout: duration.optional(),
      tcpCloseWaitTimeout: duration.optional(),
      tcpBeLiberal: bool.optional(),
      udpTimeout: duration.optional(),
      udpStreamTimeout: duration.optional(),
    }),
    configSyncPeriod: duration.optional(),
    portRange: text.optional(),
    // ObjectMeta has no meaning in a file, but YAML that was copied from a cluster may have it.
    metadata: z.unknown().optional(),
  })
  .check(across(checkAcross));

export type KubeProxyConfiguration = z.infer<typeof kubeProxySchema>;

// --- internal ---

/** Where a value depends on another. Fields that are wrong by themselves may be of any type here. */
function* checkAcross(config: KubeProxyConfiguration): Generator<Issue> {
  yield* checkPeriods(config);
  yield* checkDetection(config);
  if (isBelowZero(config.configSyncPeriod)) yield issue(['configSyncPeriod'], 'is below zero; use a time above zero');
  for (const field of ['tcpEstablishedTimeout', 'tcpCloseWaitTimeout', 'udpTimeout', 'udpStreamTimeout'] as const) {
    if (isBelowZero(config.conntrack?.[field])) {
      yield issue(['conntrack', field], 'is below zero; use 0 to leave it as it is');
    }
  }
  const addresses: unknown = config.nodePortAddresses;
  if (Array.isArray(addresses) && addresses.length > 1 && addresses.includes(PRIMARY)) {
    yield issue(['nodePortAddresses'], `holds '${PRIMARY}' beside others; '${PRIMARY}' stands alone`);
  }
}

function* checkPeriods(config: KubeProxyConfiguration): Generator<Issue> {
  // Of the other modes' sections nothing is checked: kube-proxy does not look at them either.
  const mode = config.mode === undefined || config.mode === '' ? 'iptables' : config.mode;
  const of = config[mode];
  const sync = of?.syncPeriod;
  const least = of?.minSyncPeriod;
  if (isBelowZero(sync)) yield issue([mode, 'syncPeriod'], 'is below zero; use a time above zero');
  if (isBelowZero(least)) yield issue([mode, 'minSyncPeriod'], 'is below zero; use 0 or more');
  if (typeof least === 'number' && least > (typeof sync === 'number' && sync > 0 ? sync : DEFAULT_SYNC_S)) {
    yield issue([mode, 'minSyncPeriod'], 'is longer than syncPeriod; use at most that');
  }
  const bit = of !== undefined && 'masqueradeBit' in of ? of.masqueradeBit : undefined;
  if (typeof bit === 'number' && (bit < 0 || bit > 31))
    yield issue([mode, 'masqueradeBit'], 'is not a bit of the mark; use 0..31');
}

function* checkDetection({ detectLocalMode, detectLocal }: KubeProxyConfiguration): Generator<Issue> {
  const needs = { BridgeInterface: 'bridgeInterface', InterfaceNamePrefix: 'interfaceNamePrefix' } as const;
  if (detectLocalMode !== 'BridgeInterface' && detectLocalMode !== 'InterfaceNamePrefix') return;
  const field = needs[detectLocalMode];
  const name = detectLocal?.[field] ?? '';
  if (name === '') yield issue(['detectLocal', field], `is missing; detectLocalMode ${detectLocalMode} needs it`);
}

const DEFAULT_SYNC_S = 30;

function isBelowZero(value: unknown): boolean {
  return typeof value === 'number' && value < 0;
}
