// SPDX-License-Identifier: Apache-2.0
// Kinds of maps, and what can be done with them.

import { addon } from '../addon.ts';
import { MAP_TYPE } from '../constants.ts';
import * as probes from '../probes.ts';
import type { Feature } from './feature.ts';
import { answer } from './feature.ts';
import { NEWER_KERNEL } from './programs.ts';

export const MAP_FEATURES: readonly Feature[] = [
  {
    id: 'mmapable-array',
    what: 'arrays that are memory of the agent too',
    needed: 'required',
    since: 'Linux 5.5',
    remedy: NEWER_KERNEL,
    probe: () => answer(probes.hasMmapableArrays()),
  },
  {
    id: 'mmapable-inner-array',
    what: 'such arrays inside a map of maps',
    needed: 'required',
    since: 'Linux 5.5',
    remedy: NEWER_KERNEL,
    probe: () => answer(probes.hasMmapableInnerArrays()),
  },
  {
    id: 'batch',
    what: 'map operations in batches',
    needed: 'preferred',
    since: 'Linux 5.6',
    fallback: 'one system call a row',
    probe: () => answer(probes.hasBatchOperations()),
  },
  {
    id: 'ring-buffer',
    what: 'ring buffer for events',
    needed: 'unused',
    since: 'Linux 5.8',
    instead: 'counters: programs send no events yet',
    probe: () => answer(addon.probeMapType(MAP_TYPE.RINGBUF)),
  },
];
