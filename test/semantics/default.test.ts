// SPDX-License-Identifier: Apache-2.0
// Rules under the settings that most clusters have: pods are known by clusterCIDR, NodePorts are on all addresses.

import { ELIGIBLE } from './cases/eligible.ts';
import { runTopics } from './suite.ts';
import { USUAL } from './environments.ts';

runTopics(USUAL, [ELIGIBLE]);
