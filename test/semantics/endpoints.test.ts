// SPDX-License-Identifier: Apache-2.0
// From slices to lists of backends.

import { ENDPOINT_TOPICS } from './cases/index.ts';
import { runTopics } from './suite.ts';

runTopics(ENDPOINT_TOPICS);
