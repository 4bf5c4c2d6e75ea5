// SPDX-License-Identifier: Apache-2.0
// All topics, by the test file that sees them; the document has them in the same order.

import type { Topic } from '../rule.ts';
import { AFFINITY } from './affinity.ts';
import { ALGORITHMS } from './algorithms.ts';
import { CHANGES, UDP } from './changes.ts';
import { DENIALS } from './denials.ts';
import { DETECT_LOCAL } from './detect-local.ts';
import { ELIGIBLE } from './eligible.ts';
import { NODE_PORTS } from './node-ports.ts';
import { OPT_OUT } from './opt-out.ts';
import { POLICIES } from './policies.ts';
import { RANGES } from './ranges.ts';
import { SERVICES } from './services.ts';
import { SLICES } from './slices.ts';
import { MASQUERADE_ALL, SOURCES } from './sources.ts';
import { TOPOLOGY } from './topology.ts';

export const ENDPOINT_TOPICS: readonly Topic[] = [ELIGIBLE, SLICES, TOPOLOGY];
export const SERVICE_TOPICS: readonly Topic[] = [SERVICES, DENIALS, RANGES];
export const POLICY_TOPICS: readonly Topic[] = [POLICIES, SOURCES, MASQUERADE_ALL];
export const CHANGE_TOPICS: readonly Topic[] = [CHANGES, UDP, AFFINITY];
export const SETTING_TOPICS: readonly Topic[] = [...NODE_PORTS, ...DETECT_LOCAL, OPT_OUT, ALGORITHMS];

export const TOPICS: readonly Topic[] = [
  ...ENDPOINT_TOPICS,
  ...SERVICE_TOPICS,
  ...POLICY_TOPICS,
  ...CHANGE_TOPICS,
  ...SETTING_TOPICS,
];
