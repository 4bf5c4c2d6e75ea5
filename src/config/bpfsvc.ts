// SPDX-License-Identifier: Apache-2.0
// BpfsvcConfiguration, bpfsvc.io/v1alpha1: what the flags of `bpfsvc run` say, and what is too rarely set for a flag.
// Unlike in kube-proxy's, a field that is not known is a mistake.

import { ALGORITHMS } from '../plan/algorithm.ts';
import * as z from 'zod';
import { LOG_LEVELS } from '../log-levels.ts';
import { integer, list, oneOf, prefix, text } from '../sources/manifests/fields.ts';
import { parsePortRange } from '../sources/manifests/port-range.ts';
import { checked, duration, section } from './fields.ts';

export const BPFSVC_API = 'bpfsvc.io/v1alpha1';
export const BPFSVC_KIND = 'BpfsvcConfiguration';

/** The smallest and the largest Maglev table there is (plan/maglev.ts). */
const TABLE = { least: 251, most: 131_071 } as const;

const someTime = duration.refine((seconds) => seconds >= 1, { error: 'is too short; use 1s or more' });

export const bpfsvcSchema = z.strictObject({
  apiVersion: z.literal(BPFSVC_API),
  kind: z.literal(BPFSVC_KIND),
  nodeName: text.optional(),
  manifests: list(text).optional(),
  bpffs: text.optional(),
  cgroup: text.optional(),
  devices: list(text).optional(),
  podDevices: list(text).optional(),
  serviceCIDRs: list(prefix).optional(),
  serviceNodePortRange: checked(isPortRange, 'is not a range of ports; write it like 30000-32767').optional(),
  optOutNetns: list(text).optional(),
  objects: text.optional(),
  logLevel: oneOf(LOG_LEVELS).optional(),
  algorithm: oneOf(ALGORITHMS).optional(),
  maglev: section({ maxTableSize: integer(TABLE.least, TABLE.most).optional() }),
  flows: section({
    entries: integer(1024, 2 ** 26).optional(),
    timeouts: section({
      tcpEstablished: someTime.optional(),
      tcpOpening: someTime.optional(),
      tcpCloseWait: someTime.optional(),
      tcpClosing: someTime.optional(),
      tcpReset: someTime.optional(),
      udp: someTime.optional(),
      udpStream: someTime.optional(),
    }),
  }),
});

export type BpfsvcConfiguration = z.infer<typeof bpfsvcSchema>;

function isPortRange(value: string): boolean {
  try {
    parsePortRange(value);
    return true;
  } catch {
    return false;
  }
}
