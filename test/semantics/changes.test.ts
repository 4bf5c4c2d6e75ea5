// SPDX-License-Identifier: Apache-2.0
// Living Services: what changes for whom, and who keeps what it had.

import { AFFINITY } from './cases/affinity.ts';
import { CHANGES, UDP } from './cases/changes.ts';
import { runTopics } from './suite.ts';

runTopics([CHANGES, UDP, AFFINITY]);
