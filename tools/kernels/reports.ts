// SPDX-License-Identifier: Apache-2.0
// vitest's JSON reports of runs in several places as one: numbers added up, files one after the other. Pure.

import { z } from 'zod';

const ReportSchema = z.looseObject({ testResults: z.array(z.unknown()), success: z.boolean() });

export function mergeReports(texts: readonly string[]): string {
  const reports = texts.map((text) => ReportSchema.parse(JSON.parse(text)));
  const merged: Record<string, unknown> = {};
  for (const report of reports) {
    for (const [name, value] of Object.entries(report)) {
      const before = merged[name];
      merged[name] = name.startsWith('num') && typeof before === 'number' ? before + Number(value) : (before ?? value);
    }
  }
  merged['testResults'] = reports.flatMap(({ testResults }) => testResults);
  merged['success'] = reports.every(({ success }) => success);
  return JSON.stringify(merged);
}
