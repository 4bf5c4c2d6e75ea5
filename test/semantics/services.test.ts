// SPDX-License-Identifier: Apache-2.0
// From a Service's fields to addresses, and who is let in by them.

import { SERVICE_TOPICS } from './cases/index.ts';
import { runTopics } from './suite.ts';

runTopics(SERVICE_TOPICS);
