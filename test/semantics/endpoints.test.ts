// SPDX-License-Identifier: Apache-2.0
// From slices to lists of backends.

import { ELIGIBLE } from './cases/eligible.ts';
import { SLICES } from './cases/slices.ts';
import { TOPOLOGY } from './cases/topology.ts';
import { runTopics } from './suite.ts';

runTopics([ELIGIBLE, SLICES, TOPOLOGY]);
