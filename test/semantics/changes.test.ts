// SPDX-License-Identifier: Apache-2.0
// Living Services: what changes for whom, and who keeps what it had.

import { CHANGE_TOPICS } from './cases/index.ts';
import { runTopics } from './suite.ts';

runTopics(CHANGE_TOPICS);
