// SPDX-License-Identifier: Apache-2.0
// What agents are told: where NodePorts answer, and who is a pod of this node. Agents are started anew for each.

import { SETTING_TOPICS } from './cases/index.ts';
import { runTopics } from './suite.ts';

runTopics(SETTING_TOPICS);
