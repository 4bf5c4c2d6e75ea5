// SPDX-License-Identifier: Apache-2.0
// Whom a client reaches by policy, and by which address it is seen.

import { POLICIES } from './cases/policies.ts';
import { MASQUERADE_ALL, SOURCES } from './cases/sources.ts';
import { runTopics } from './suite.ts';

runTopics([POLICIES, SOURCES, MASQUERADE_ALL]);
