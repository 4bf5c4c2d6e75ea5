// SPDX-License-Identifier: Apache-2.0
// The parts of Kubernetes objects that bpfsvc reads, as JSON has them: any field may be absent or null. Whether they
// come from an API server or from a file is not known here.

type Maybe<T> = T | null | undefined;

export interface ObjectMeta {
  name: string;
  namespace?: Maybe<string>;
  labels?: Maybe<Record<string, string>>;
  annotations?: Maybe<Record<string, string>>;
}

export interface ServicePortObject {
  name?: Maybe<string>;
  protocol?: Maybe<string>;
  port: number;
  nodePort?: Maybe<number>;
}

export interface ServiceObject {
  metadata: ObjectMeta;
  spec?: Maybe<{
    type?: Maybe<string>;
    clusterIP?: Maybe<string>;
    clusterIPs?: Maybe<readonly string[]>;
    externalIPs?: Maybe<readonly string[]>;
    loadBalancerSourceRanges?: Maybe<readonly string[]>;
    ports?: Maybe<readonly ServicePortObject[]>;
    sessionAffinity?: Maybe<string>;
    sessionAffinityConfig?: Maybe<{ clientIP?: Maybe<{ timeoutSeconds?: Maybe<number> }> }>;
    internalTrafficPolicy?: Maybe<string>;
    externalTrafficPolicy?: Maybe<string>;
    healthCheckNodePort?: Maybe<number>;
  }>;
  status?: Maybe<{
    loadBalancer?: Maybe<{ ingress?: Maybe<readonly { ip?: Maybe<string>; ipMode?: Maybe<string> }[]> }>;
  }>;
}

export interface EndpointPortObject {
  name?: Maybe<string>;
  protocol?: Maybe<string>;
  port?: Maybe<number>;
}

export interface EndpointObject {
  addresses?: Maybe<readonly string[]>;
  conditions?: Maybe<{ ready?: Maybe<boolean>; serving?: Maybe<boolean>; terminating?: Maybe<boolean> }>;
  nodeName?: Maybe<string>;
  zone?: Maybe<string>;
  hints?: Maybe<{
    forZones?: Maybe<readonly { name: string }[]>;
    forNodes?: Maybe<readonly { name: string }[]>;
  }>;
}

export interface EndpointSliceObject {
  metadata: ObjectMeta;
  addressType?: Maybe<string>;
  ports?: Maybe<readonly EndpointPortObject[]>;
  endpoints?: Maybe<readonly EndpointObject[]>;
}

export interface EndpointAddressObject {
  ip: string;
  nodeName?: Maybe<string>;
}

export interface EndpointsObject {
  metadata: ObjectMeta;
  subsets?: Maybe<
    readonly {
      addresses?: Maybe<readonly EndpointAddressObject[]>;
      notReadyAddresses?: Maybe<readonly EndpointAddressObject[]>;
      ports?: Maybe<readonly EndpointPortObject[]>;
    }[]
  >;
}

export interface NodeObject {
  metadata: ObjectMeta;
  spec?: Maybe<{ podCIDR?: Maybe<string>; podCIDRs?: Maybe<readonly string[]> }>;
  status?: Maybe<{ addresses?: Maybe<readonly { type?: Maybe<string>; address?: Maybe<string> }[]> }>;
}
