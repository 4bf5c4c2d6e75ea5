// SPDX-License-Identifier: Apache-2.0
// Settings under which rules are seen. Data.

import type { Environment } from './rule.ts';

const CLUSTER_CIDR = '192.0.2.0/24,2001:db8:b::/48';

/** As kubeadm writes it. */
export const USUAL: Environment = { kubeProxy: { clusterCIDR: CLUSTER_CIDR } };
