// SPDX-License-Identifier: Apache-2.0
// The YAML of the demo, as one writes it for kubectl.

import type { DualStack } from '../test/support/address-plan.ts';
import type { Pod } from '../test/support/cluster.ts';

export interface DemoService {
  readonly name: string;
  readonly clusterIp: DualStack;
  readonly nodePort: number;
}

export function serviceYaml({ name, clusterIp, nodePort }: DemoService): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  clusterIPs: ["${clusterIp.v4}", "${clusterIp.v6}"]
  clusterIP: ${clusterIp.v4}
  selector: {app: ${name}}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: ${nodePort}}
`;
}

export function endpointsYaml(service: string, pods: readonly Pod[]): string {
  return (['v4', 'v6'] as const).map((family) => slice(service, family, pods)).join('---\n');
}

// --- internal ---

function slice(service: string, family: 'v4' | 'v6', pods: readonly Pod[]): string {
  const endpoints = pods.map(
    ({ name, address }) =>
      `- {addresses: ["${address[family]}"], nodeName: ${nodeOf(name)}, conditions: {ready: true}}`,
  );
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${service}-ip${family}
  labels: {kubernetes.io/service-name: ${service}}
addressType: IP${family}
ports:
- {name: http, port: 8080}
endpoints:${endpoints.length === 0 ? ' []' : ''}
${endpoints.join('\n')}
`;
}

/** pod2-1 runs on node2. */
function nodeOf(pod: string): string {
  return `node${pod.charAt('pod'.length)}`;
}
