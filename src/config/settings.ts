// SPDX-License-Identifier: Apache-2.0
// What the documents of a configuration file mean for the agent, in one shape; undefined: they do not say. Where both
// speak of a thing, bpfsvc's own wins. Pure.

import path from 'node:path';
import type { Algorithm } from '../plan/algorithm.ts';
import type { LogLevel } from '../log-levels.ts';
import type { Prefix } from '../net/prefix.ts';
import { parsePrefixLenient, prefixText } from '../net/prefix.ts';
import type { Address, Family } from '../net/ip.ts';
import { parseAddressLenient, UNSPECIFIED } from '../net/ip.ts';
import type { KubeProxyConfiguration } from './kube-proxy.ts';
import { PRIMARY } from './kube-proxy.ts';
import type { Configuration } from './parse-config.ts';

/** Seconds, as FlowTimeouts. */
type Timeouts = Partial<
  Record<'tcpEstablished' | 'tcpOpening' | 'tcpCloseWait' | 'tcpClosing' | 'tcpReset' | 'udp' | 'udpStream', number>
>;

/** How a local pod is known (kube-proxy's detectLocalMode): by an address of the cluster's or this node's pods, or by
 * the devices it comes in by. */
export type DetectLocal =
  | { readonly mode: 'cluster'; readonly prefixes: readonly Prefix[] }
  | { readonly mode: 'node' }
  | { readonly mode: 'interface'; readonly devices: string };

export interface Settings {
  readonly nodeName: string | undefined;
  readonly manifests: readonly string[] | undefined;
  readonly bpffs: string | undefined;
  readonly cgroup: string | undefined;
  readonly devices: readonly string[] | undefined;
  readonly podDevices: readonly string[] | undefined;
  readonly detectLocal: DetectLocal;
  readonly masqueradeAll: boolean;
  readonly algorithm: Algorithm | undefined;
  readonly serviceCidrs: readonly string[] | undefined;
  readonly serviceNodePortRange: string | undefined;
  readonly optOutNetns: readonly string[] | undefined;
  readonly objects: string | undefined;
  /** Prefixes; empty: all addresses. */
  readonly nodePortAddresses: readonly string[] | typeof PRIMARY;
  /** Not bound here; it is the primary address of its family. */
  readonly bindAddress: Address | undefined;
  readonly tableCap: number | undefined;
  readonly flowEntries: number | undefined;
  readonly timeouts: Timeouts;
  readonly oomScoreAdj: number | undefined;
  readonly logLevel: LogLevel | undefined;
  readonly logJson: boolean | undefined;
  /** What is said but not done. */
  readonly warnings: readonly string[];
}

export interface SettingsContext {
  /** Relative paths are relative to it. */
  readonly directory: string;
  readonly cpus: number;
}

export function toSettings(configuration: Configuration, { directory, cpus }: SettingsContext): Settings {
  const { kubeProxy, bpfsvc } = configuration;
  const warnings = [...configuration.warnings];
  const resolve = (file: string): string => path.resolve(directory, file);
  const absolute = (file: string | undefined): string | undefined => (file === undefined ? undefined : resolve(file));
  return {
    nodeName: bpfsvc?.nodeName ?? hostnameOverride(kubeProxy),
    manifests: bpfsvc?.manifests?.map(resolve),
    bpffs: absolute(bpfsvc?.bpffs),
    cgroup: absolute(bpfsvc?.cgroup),
    devices: bpfsvc?.devices,
    podDevices: bpfsvc?.podDevices ?? podDevices(kubeProxy),
    detectLocal: detectLocal(kubeProxy),
    masqueradeAll: masqueradeAll(kubeProxy),
    algorithm: bpfsvc?.algorithm,
    serviceCidrs: bpfsvc?.serviceCIDRs,
    serviceNodePortRange: bpfsvc?.serviceNodePortRange,
    optOutNetns: bpfsvc?.optOutNetns?.map(resolve),
    objects: absolute(bpfsvc?.objects),
    nodePortAddresses: nodePortAddresses(kubeProxy?.nodePortAddresses ?? [], warnings),
    bindAddress: bindAddress(kubeProxy),
    tableCap: bpfsvc?.maglev?.maxTableSize,
    flowEntries: bpfsvc?.flows?.entries ?? flowEntries(kubeProxy?.conntrack, cpus),
    timeouts: { ...conntrackTimeouts(kubeProxy?.conntrack), ...defined(bpfsvc?.flows?.timeouts ?? {}) },
    oomScoreAdj: kubeProxy?.oomScoreAdj,
    logLevel: bpfsvc?.logLevel ?? verbosityLevel(kubeProxy?.logging?.verbosity),
    logJson: kubeProxy?.logging?.format === 'json' ? true : undefined,
    warnings,
  };
}

// --- internal ---

type Conntrack = KubeProxyConfiguration['conntrack'];

/** kube-proxy's: trimmed and lower-cased. */
function hostnameOverride(config: KubeProxyConfiguration | undefined): string | undefined {
  const name = config?.hostnameOverride?.trim().toLowerCase() ?? '';
  return name === '' ? undefined : name;
}

/** Of ClusterCIDR only the first prefix of each family counts, as in kube-proxy. */
function detectLocal(config: KubeProxyConfiguration | undefined): DetectLocal {
  switch (config?.detectLocalMode) {
    case 'NodeCIDR':
      return { mode: 'node' };
    case 'BridgeInterface':
    case 'InterfaceNamePrefix':
      return { mode: 'interface', devices: (podDevices(config) ?? []).join(',') };
    default:
      return {
        mode: 'cluster',
        prefixes: (config?.clusterCIDR ?? '').split(',').flatMap((text) => parsePrefixLenient(text) ?? []),
      };
  }
}

/** It stands in the section of the mode that is in force; iptables is the default. */
function masqueradeAll(config: KubeProxyConfiguration | undefined): boolean {
  const section = config?.mode === 'nftables' ? config.nftables : config?.iptables;
  return section?.masqueradeAll ?? false;
}

function podDevices(config: KubeProxyConfiguration | undefined): string[] | undefined {
  switch (config?.detectLocalMode) {
    case 'InterfaceNamePrefix':
      return [`${config.detectLocal?.interfaceNamePrefix ?? ''}*`];
    case 'BridgeInterface':
      return [config.detectLocal?.bridgeInterface ?? ''];
    default:
      return undefined;
  }
}

/** A family that no prefix speaks of is wholly open, as in kube-proxy. */
function nodePortAddresses(texts: readonly string[], warnings: string[]): Settings['nodePortAddresses'] {
  if (texts.includes(PRIMARY)) return PRIMARY;
  const prefixes = texts.flatMap((text) => parsePrefixLenient(text) ?? []);
  if (prefixes.length === 0) return [];
  const open = (family: Family, everything: string): string[] => {
    if (prefixes.some((prefix) => prefix.family === family)) return [];
    warnings.push(`nodePortAddresses: no IPv${family} prefix; NodePorts answer on all IPv${family} addresses`);
    return [everything];
  };
  return [...prefixes.map(prefixText), ...open(4, '0.0.0.0/0'), ...open(6, '::/0')];
}

function bindAddress(config: KubeProxyConfiguration | undefined): Address | undefined {
  const address = parseAddressLenient(config?.bindAddress ?? '');
  return address === UNSPECIFIED[4] || address === UNSPECIFIED[6] ? undefined : address;
}

/** kube-proxy's reckoning for netfilter's table; a flow takes two rows here. Nothing said, or 0: the map's own size. */
function flowEntries(conntrack: Conntrack, cpus: number): number | undefined {
  if (conntrack?.maxPerCore === undefined && conntrack?.min === undefined) return undefined;
  const { maxPerCore = 32_768, min = 131_072 } = conntrack;
  return maxPerCore === 0 ? undefined : 2 * Math.max(maxPerCore * cpus, min);
}

function conntrackTimeouts(conntrack: Conntrack): Timeouts {
  return defined({
    tcpEstablished: seconds(conntrack?.tcpEstablishedTimeout),
    tcpCloseWait: seconds(conntrack?.tcpCloseWaitTimeout),
    udp: seconds(conntrack?.udpTimeout),
    udpStream: seconds(conntrack?.udpStreamTimeout),
  });
}

/** 0 leaves it as it is. */
function seconds(value: number | undefined): number | undefined {
  return value === undefined || value === 0 ? undefined : Math.max(1, Math.round(value));
}

/** klog's habit: 4 is debugging, 6 and more is everything. */
function verbosityLevel(verbosity: number | undefined): LogLevel | undefined {
  if (verbosity === undefined || verbosity < 4) return undefined;
  return verbosity < 6 ? 'debug' : 'trace';
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
