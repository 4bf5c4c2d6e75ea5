// SPDX-License-Identifier: Apache-2.0
// From a Service's fields to addresses, and who is let in by them.

import { DENIALS } from './cases/denials.ts';
import { RANGES } from './cases/ranges.ts';
import { SERVICES } from './cases/services.ts';
import { runTopics } from './suite.ts';

runTopics([SERVICES, DENIALS, RANGES]);
