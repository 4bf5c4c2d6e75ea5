// SPDX-License-Identifier: Apache-2.0
// What agents are told: where NodePorts answer, and who is a pod of this node. Agents are started anew for each.

import { ALGORITHMS } from './cases/algorithms.ts';
import { DETECT_LOCAL } from './cases/detect-local.ts';
import { NODE_PORTS } from './cases/node-ports.ts';
import { runTopics } from './suite.ts';

runTopics([...NODE_PORTS, ...DETECT_LOCAL, ALGORITHMS]);
