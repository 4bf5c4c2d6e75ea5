// SPDX-License-Identifier: Apache-2.0
// What the API server accepts as a Service, field by field. Fields that bpfsvc does not know are let through unseen.
// What needs several fields is in service-rules.ts, what needs other Services is the allocator's.

import type * as z from 'zod';
import {
  across,
  address,
  bool,
  clusterIP,
  dnsLabel,
  dnsSubdomain,
  integer,
  list,
  mapping,
  oneOf,
  portName,
  portNumber,
  prefix,
  targetPort,
  text,
  textMap,
} from './fields.ts';
import type { PortRange } from './port-range.ts';
import { serviceRules } from './service-rules.ts';

const metadata = mapping({
  name: dnsLabel,
  namespace: dnsLabel.optional(),
  labels: textMap.optional(),
  annotations: textMap.optional(),
});

const port = mapping({
  name: portName.optional(),
  protocol: oneOf(['TCP', 'UDP', 'SCTP']).optional(),
  port: portNumber,
  targetPort: targetPort.optional(),
  nodePort: integer(0, 65535).optional(),
});

const policy = oneOf(['Cluster', 'Local']);

const spec = mapping({
  type: oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).optional(),
  clusterIP: clusterIP.optional(),
  clusterIPs: list(clusterIP).optional(),
  ipFamilies: list(oneOf(['IPv4', 'IPv6'])).optional(),
  ipFamilyPolicy: oneOf(['SingleStack', 'PreferDualStack', 'RequireDualStack']).optional(),
  externalIPs: list(address).optional(),
  externalName: text.optional(),
  loadBalancerSourceRanges: list(prefix).optional(),
  allocateLoadBalancerNodePorts: bool.optional(),
  ports: list(port).optional(),
  selector: textMap.optional(),
  sessionAffinity: oneOf(['None', 'ClientIP']).optional(),
  sessionAffinityConfig: mapping({
    clientIP: mapping({ timeoutSeconds: integer(1, 86_400).optional() }).optional(),
  }).optional(),
  internalTrafficPolicy: policy.optional(),
  externalTrafficPolicy: policy.optional(),
  healthCheckNodePort: integer(0, 65535).optional(),
  trafficDistribution: oneOf(['PreferClose', 'PreferSameZone', 'PreferSameNode']).optional(),
});

const ingress = mapping({
  ip: address.optional(),
  ipMode: oneOf(['VIP', 'Proxy']).optional(),
  hostname: dnsSubdomain.optional(),
});

const status = mapping({
  loadBalancer: mapping({ ingress: list(ingress).optional() }).optional(),
});

export type ServiceSpec = z.infer<typeof spec>;

export function serviceSchema(nodePorts: PortRange) {
  return mapping({
    metadata,
    spec: spec.check(across((value: ServiceSpec) => serviceRules(value, nodePorts))),
    status: status.optional(),
  });
}

export type ServiceManifest = z.infer<ReturnType<typeof serviceSchema>>;
