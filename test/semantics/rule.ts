// SPDX-License-Identifier: Apache-2.0
// The form of a rule: objects, and what is seen by whom. Plain data, read by the runner and by the document's generator.
//
// The stage is in cast.ts: near1, near2 and pod on this node, far1, far2 and far on the other, outside beyond both.
// Strings may name addresses of the stage and of the rule's own Service: {outside.v4}, {ClusterIP.v6}.

/** Who asks. Each asks from its own address; `near1` is a backend that is a client at the same time. */
export type Vantage = 'pod' | 'near1' | 'host' | 'outside' | 'far' | 'far host';

/** socket: translated in connect() or sendmsg(); packet: translated where its packets enter this node. */
export type Path = 'socket' | 'packet';

export type BackendName = 'near1' | 'near2' | 'far1' | 'far2' | 'host1' | 'host2';

/** A server that listens: by a second port when it is not the usual one. `outside`: what a Service claims is left alone. */
export type ServerName = BackendName | `${BackendName}:8081` | 'outside' | 'outside:8081';

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalIP';

export interface Frontend {
  /** `loopback`: the NodePort on 127.0.0.1 and ::1; `far NodePort`: on the other node's address. */
  readonly at: FrontendKind | 'loopback' | 'far NodePort';
  /** Of the Service that is not the first. */
  readonly of?: string;
  /** Names a port of the Service that is not the usual one, or a number that no port has. */
  readonly port?: string | number;
}

/** An address that the Service may not have, by who has it; `unallocated`: of the Service range, and of no Service. */
export interface Elsewhere {
  readonly address: 'outside' | 'host' | 'second' | 'unallocated' | 'near1' | 'far1';
  /** A number, the NodePort of the rule's Service, or the one that PortGiven has. */
  readonly port: number | 'NodePort' | 'own';
}

export type Destination = Frontend['at'] | Frontend | Elsewhere;

export type Transport = 'TCP' | 'UDP';

/**
 * refused: at once, by bpfsvc. dropped: kube-proxy drops; a connect() fails at once with EHOSTUNREACH, a packet gets no
 * answer. shut out: dropped where connect() cannot know it, because that depends on the source address: one of the two.
 * untouched: the packet goes its way as if there were no Service, and nobody listens there.
 */
export type Denial = 'refused' | 'dropped' | 'shut out' | 'untouched';

/** An answer to ICMP's echo request, from the address that was asked. */
export type Echo = 'echo';

/** Whose address the backend sees: the client's own, or this node's; or one or the other, by where the backend is. */
export type Source = 'own' | 'node' | 'node if far';

export interface Sight {
  readonly from: Vantage;
  readonly to: Destination;
  /** All of them, in some order, and nobody else. */
  readonly reaches?: readonly ServerName[];
  /** With several backends, one of them, and always the same for all sights of the rule with this name. */
  readonly sticks?: string;
  /** Default: own; from beyond this node, `node if far`. */
  readonly source?: Source | Readonly<Record<Path, Source>>;
  readonly gets?: Denial | Echo;
  /** Default: both families, both transports, both paths, where there are two. */
  readonly families?: readonly Family[];
  readonly transports?: readonly Transport[];
  readonly paths?: readonly Path[];
  /** Of the client; by default one that no other sight has had for long. */
  readonly sourcePort?: number;
  /**
   * The connection stays open under this name; later steps look at it. TCP, and UDP by a connected socket, which stays
   * open also when it was refused.
   */
  readonly holds?: string;
  /** Why this does not pass yet. */
  readonly pending?: string | Readonly<Partial<Record<Path, string>>>;
}

/** A connection that an earlier step holds. */
export interface Held {
  readonly held: string;
  /** Default: the backend that it had. */
  readonly reaches?: readonly ServerName[];
  readonly families?: readonly Family[];
  readonly transports?: readonly Transport[];
  readonly paths?: readonly Path[];
  readonly pending?: string | Readonly<Partial<Record<Path, string>>>;
}

export type Family = 4 | 6;

export interface PortGiven {
  readonly name: string;
  readonly protocol?: Transport | 'SCTP';
  /** `own`: one that no other rule has, and at which the host outside answers, too. */
  readonly port: number | 'own';
  /** Of the endpoints; the API server's word for it has no meaning for a proxy. */
  readonly endpointPort?: number;
  /** Default: allocated, where the Service has NodePorts. */
  readonly nodePort?: number;
}

/** A name alone: ready, and on its node. */
export type EndpointGiven =
  | BackendName
  | {
      readonly at: BackendName;
      readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
      /** null: none. */
      readonly nodeName?: string | null;
      readonly zone?: string;
      readonly hints?: { readonly forZones?: readonly Named[]; readonly forNodes?: readonly Named[] };
    };

interface Named {
  readonly name: string;
}

export interface SliceGiven {
  readonly endpoints: readonly EndpointGiven[];
  /** By default those of the Service. */
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
  /** null as a value: without the label that names the Service. */
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly namespace?: string;
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  /** In place of the endpoints' own, for both families. */
  readonly addresses?: readonly string[];
}

/** A Service and its slices. Left out: a Service with TCP and UDP on port 80, both families, and what sights ask for. */
export interface Given {
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Over what is made up for the spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly status?: Readonly<Record<string, unknown>>;
  readonly families?: readonly Family[];
  /** false: slices without a Service. */
  readonly service?: boolean;
  readonly ports?: readonly PortGiven[];
  /** In one slice for each family. */
  readonly endpoints?: readonly EndpointGiven[];
  readonly slices?: readonly SliceGiven[];
}

export interface Step {
  /** In words, what changes. */
  readonly when: string;
  /** Over what was given before; null: deleted. */
  readonly given?: Given | null;
  readonly others?: Readonly<Record<string, Given | null>>;
  /** Labels of this node. */
  readonly node?: Readonly<Record<string, string>>;
  /** Commands of `ip -batch` on this node. What is seen then may take a moment. */
  readonly ip?: readonly string[];
  /** The agent of this node dies and is started again; what is given changes in between. */
  readonly restart?: boolean;
  readonly seen: readonly (Sight | Held)[];
}

export interface Rule {
  /** A sentence that is true of kube-proxy, or of bpfsvc where they differ. */
  readonly title: string;
  /** Section of the specification. */
  readonly reference: string;
  /** What kube-proxy does, where the title does not say it. */
  readonly kubeProxy?: string;
  /** What bpfsvc does, where it differs, and why. */
  readonly bpfsvc?: string;
  readonly why?: string;
  readonly given: Given;
  /** Further Services by name. */
  readonly others?: Readonly<Record<string, Given>>;
  readonly seen?: readonly Sight[];
  /** After what `seen` says, one after the other. */
  readonly steps?: readonly Step[];
  /** Of all that is seen. */
  readonly pending?: string | Readonly<Partial<Record<Path, string>>>;
}

/** What agents are told, and what stands before the rules. */
export interface Environment {
  /** In the words of KubeProxyConfiguration. */
  readonly kubeProxy?: Readonly<Record<string, unknown>>;
  /** Further arguments of both agents; {netns of pod} names the namespace of the pod. */
  readonly arguments?: readonly string[];
  /** Labels of this node, by default its zone. */
  readonly node?: Readonly<Record<string, string>>;
}

export interface Topic {
  readonly title: string;
  /** Two or three sentences for the document. */
  readonly text?: string;
  readonly environment?: Environment;
  readonly rules: readonly Rule[];
}
