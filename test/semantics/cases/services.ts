// SPDX-License-Identifier: Apache-2.0
// Which fields of a Service give it addresses, and which mean nothing. Where a Service claims the address of the host
// outside, its server tells whether the claim holds: 'outside' answers when it is left alone. Data; rule.ts has the form.

import type { Given, Sight, Topic } from '../rule.ts';

/** Ports at which the host outside answers, so that who is left alone is answered, too. */
const AT_OUTSIDE = [
  { name: 'http', port: 'own' },
  { name: 'dgram', protocol: 'UDP', port: 'own' },
] as const;

/** With both addresses of the host outside as external IPs. */
const CLAIMS: Given = {
  ports: AT_OUTSIDE,
  spec: { externalIPs: ['{outside.v4}', '{outside.v6}'] },
  endpoints: ['near1'],
};

const TO_OUTSIDE = { address: 'outside', port: 'own' } as const;

function isClaimed(): Sight[] {
  return (['pod', 'host'] as const).map((from) => ({ from, to: TO_OUTSIDE, reaches: ['near1'] }));
}

function isLeftAlone(): Sight[] {
  return (['pod', 'host'] as const).map((from) => ({ from, to: TO_OUTSIDE, reaches: ['outside'] }));
}

const INGRESS = [{ ip: '{outside.v4}' }, { ip: '{outside.v6}' }];

function ingress(extra: object): Given {
  return {
    type: 'LoadBalancer',
    ports: AT_OUTSIDE,
    status: { loadBalancer: { ingress: INGRESS.map((each) => ({ ...each, ...extra })) } },
    endpoints: ['near1'],
  };
}

export const SERVICES: Topic = {
  title: 'Addresses of Services',
  text: 'Which fields give a Service addresses and ports, and which mean nothing to a proxy.',
  rules: [
    {
      title: 'External IPs are captured, whatever the type',
      reference: '1.2',
      given: CLAIMS,
      others: { nodeport: { endpoints: ['near1'] } },
      seen: [...isClaimed(), { from: 'pod', to: { at: 'ExternalIP', of: 'nodeport' }, reaches: ['near1'] }],
    },
    {
      title: 'A headless Service has no addresses',
      reference: '1.2',
      given: { ...CLAIMS, spec: { ...CLAIMS.spec, clusterIP: 'None', clusterIPs: ['None'] } },
      seen: isLeftAlone(),
    },
    {
      title: 'ExternalName has no addresses, though some are written there',
      reference: '1.2',
      given: {
        ...CLAIMS,
        type: 'ExternalName',
        spec: {
          ...CLAIMS.spec,
          externalName: 'example.com',
          clusterIP: null,
          clusterIPs: null,
          ipFamilies: null,
          ipFamilyPolicy: null,
        },
      },
      seen: isLeftAlone(),
    },
    {
      title: 'A Service of another proxy is left alone',
      reference: '1.1',
      given: { ...CLAIMS, labels: { 'service.kubernetes.io/service-proxy-name': 'somebody' } },
      seen: isLeftAlone(),
    },
    {
      title: 'An empty name of another proxy says so, too',
      reference: '1.1, 9',
      given: { ...CLAIMS, labels: { 'service.kubernetes.io/service-proxy-name': '' } },
      seen: isLeftAlone(),
    },
    {
      title: 'The label headless means nothing on a Service',
      reference: '1.2',
      kubeProxy: 'Since 1.36; before, the Service was left alone.',
      given: { ...CLAIMS, labels: { 'service.kubernetes.io/headless': '' } },
      seen: isClaimed(),
    },
    {
      title: "A load balancer's address is captured",
      reference: '1.2',
      given: ingress({}),
      seen: isClaimed(),
    },
    {
      title: "A load balancer's address with ipMode VIP is captured",
      reference: '1.2',
      given: ingress({ ipMode: 'VIP' }),
      seen: isClaimed(),
    },
    {
      title: "A load balancer's address with ipMode Proxy is left to the load balancer",
      reference: '1.2',
      given: ingress({ ipMode: 'Proxy' }),
      seen: isLeftAlone(),
    },
    {
      title: 'Ports of ingress mean nothing',
      reference: '1.2',
      given: ingress({ ports: [{ port: 1, protocol: 'TCP', error: 'none' }] }),
      seen: isClaimed(),
    },
    {
      title: 'A load balancer without an address, by name only, leaves the other addresses as they are',
      reference: '1.2',
      given: {
        type: 'LoadBalancer',
        status: { loadBalancer: { ingress: [{ hostname: 'lb.example.com' }] } },
        endpoints: ['near1'],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1'] },
      ],
    },
    {
      title: "A load balancer's address counts whatever the type",
      reference: '1.2',
      given: { ...ingress({}), type: 'ClusterIP' },
      seen: isClaimed(),
    },
    {
      title: 'The address that was asked of a load balancer, its class, and allocation mean nothing',
      reference: '1.2',
      given: {
        type: 'LoadBalancer',
        ports: AT_OUTSIDE,
        spec: { loadBalancerIP: '{outside.v4}', loadBalancerClass: 'example.com/lb' },
        status: { loadBalancer: {} },
        endpoints: ['near1'],
      },
      seen: isLeftAlone(),
    },
    {
      title: 'Without allocated NodePorts a load balancer works all the same',
      reference: '1.2',
      given: {
        type: 'LoadBalancer',
        ports: [
          { name: 'http', port: 80, nodePort: 0 },
          { name: 'dgram', protocol: 'UDP', port: 80, nodePort: 0 },
        ],
        spec: { allocateLoadBalancerNodePorts: false },
        endpoints: ['near1', 'far1'],
      },
      seen: [
        { from: 'pod', to: 'LoadBalancer', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'LoadBalancer', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'A Service of one family does not exist in the other',
      reference: '1.1',
      given: {
        families: [4],
        type: 'LoadBalancer',
        spec: { externalIPs: ['{outside.v4}', '{outside.v6}'] },
        status: { loadBalancer: { ingress: [{ ip: '{outside.v6}' }] } },
        ports: AT_OUTSIDE,
        slices: [
          { endpoints: ['near1'], addressType: 'IPv4' },
          { endpoints: ['near1'], addressType: 'IPv6' },
        ],
      },
      seen: [
        { from: 'pod', to: TO_OUTSIDE, families: [4], reaches: ['near1'] },
        { from: 'pod', to: TO_OUTSIDE, families: [6], reaches: ['outside'] },
        { from: 'outside', to: 'NodePort', families: [4], reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', families: [6], gets: 'untouched' },
      ],
    },
    {
      title: 'Which family comes first does not matter',
      reference: '1.2',
      given: {
        spec: {
          clusterIP: '{ClusterIP.v6}',
          clusterIPs: ['{ClusterIP.v6}', '{ClusterIP.v4}'],
          ipFamilies: ['IPv6', 'IPv4'],
        },
        endpoints: ['near1', 'far1'],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] },
        { from: 'outside', to: 'NodePort', reaches: ['near1', 'far1'] },
      ],
    },
    {
      title: 'Without ipFamilies the ClusterIP tells the family',
      reference: '1.2',
      given: {
        families: [6],
        spec: { ipFamilies: null, ipFamilyPolicy: null, clusterIPs: null },
        endpoints: ['near1', 'far1'],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1', 'far1'] }],
    },
    {
      title: 'TCP and UDP on one number are two ports with endpoints of their own',
      reference: '1.2',
      given: {
        ports: [
          { name: 'http', port: 80, endpointPort: 8080 },
          { name: 'dgram', protocol: 'UDP', port: 80, endpointPort: 8081 },
        ],
        endpoints: ['near1'],
      },
      seen: [
        { from: 'pod', to: 'ClusterIP', transports: ['TCP'], reaches: ['near1'] },
        { from: 'pod', to: 'ClusterIP', transports: ['UDP'], reaches: ['near1:8081'] },
        { from: 'outside', to: 'NodePort', transports: ['TCP'], reaches: ['near1'] },
        { from: 'outside', to: 'NodePort', transports: ['UDP'], reaches: ['near1:8081'] },
      ],
    },
    {
      title: 'Several ports of a Service lead each to its own',
      reference: '1.2',
      given: {
        ports: [
          { name: 'http', port: 80, endpointPort: 8080 },
          { name: 'admin', port: 9000, endpointPort: 8081 },
        ],
        endpoints: ['near1', 'far1'],
      },
      seen: [
        { from: 'pod', to: { at: 'ClusterIP', port: 'http' }, reaches: ['near1', 'far1'] },
        { from: 'pod', to: { at: 'ClusterIP', port: 'admin' }, reaches: ['near1:8081', 'far1:8081'] },
        { from: 'outside', to: { at: 'NodePort', port: 'admin' }, reaches: ['near1:8081', 'far1:8081'] },
        { from: 'outside', to: { at: 'LoadBalancer', port: 'admin' }, reaches: ['near1:8081', 'far1:8081'] },
      ],
    },
    {
      title: 'targetPort means nothing: slices have the number',
      reference: '1.2',
      given: {
        spec: { ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 9999, appProtocol: 'h2c' }] },
        ports: [{ name: 'http', port: 80 }],
        endpoints: ['near1'],
      },
      seen: [{ from: 'pod', to: 'ClusterIP', reaches: ['near1'] }],
    },
    {
      title: "An external IP that is the node's own address comes before its NodePorts",
      reference: '2.1',
      given: {
        ports: [
          { name: 'http', port: 32_700 },
          { name: 'dgram', protocol: 'UDP', port: 32_700 },
        ],
        spec: { externalIPs: ['{host.v4}', '{host.v6}'] },
        endpoints: ['near1'],
      },
      others: {
        nodeport: {
          type: 'NodePort',
          ports: [
            { name: 'http', port: 80, nodePort: 32_700 },
            { name: 'dgram', protocol: 'UDP', port: 80, nodePort: 32_700 },
          ],
          endpoints: ['far1'],
        },
      },
      seen: (['pod', 'host', 'outside'] as const).flatMap((from): Sight[] => [
        { from, to: { address: 'host', port: 32_700 }, reaches: ['near1'] },
        { from, to: { address: 'second', port: 32_700 }, reaches: ['far1'] },
      ]),
    },
    {
      title: 'An external IP takes what is for it away from the node that has it, and only that',
      reference: '2.1',
      given: {
        ports: [
          { name: 'http', port: 8080 },
          { name: 'dgram', protocol: 'UDP', port: 8080 },
        ],
        spec: { externalIPs: ['{second.v4}', '{second.v6}'] },
        endpoints: ['near1'],
      },
      seen: (['pod', 'outside'] as const).flatMap((from): Sight[] => [
        { from, to: { address: 'second', port: 8080 }, reaches: ['near1'] },
        { from, to: { address: 'second', port: 8081 }, reaches: ['host1:8081'] },
        { from, to: { address: 'host', port: 8080 }, reaches: ['host1'] },
      ]),
    },
    {
      title: 'Leading zeros in an address are decimal',
      reference: '1.2',
      kubeProxy: 'Objects from before 1.36 may have them.',
      bpfsvc: 'Manifests with leading zeros are refused, as the API server of 1.36 does.',
      why: 'An address that some programs read as octal should not be written; what the API server has stored is read.',
      given: { families: [4], ports: AT_OUTSIDE, spec: { externalIPs: ['198.051.100.010'] }, endpoints: ['near1'] },
      seen: [{ from: 'pod', to: TO_OUTSIDE, reaches: ['outside'] }],
    },
  ],
};
