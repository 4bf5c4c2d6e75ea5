// SPDX-License-Identifier: Apache-2.0
// Whom a client reaches by policy, and by which address it is seen.

import { POLICY_TOPICS } from './cases/index.ts';
import { runTopics } from './suite.ts';

runTopics(POLICY_TOPICS);
