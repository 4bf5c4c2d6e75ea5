// SPDX-License-Identifier: Apache-2.0
// Several objects define the same things again; this makes one of each and tells about those that differ.

export interface Named {
  readonly name: string;
  readonly tags?: readonly string[];
}

/** `differs` is called once for each name that has two definitions; documentation may differ, the longer one stays. */
export function uniqueByName<T extends Named>(items: readonly T[], differs: (name: string) => void): Map<string, T> {
  const found = new Map<string, T>();
  const reported = new Set<string>();
  for (const item of items) {
    const before = found.get(item.name);
    if (before === undefined) {
      found.set(item.name, item);
      continue;
    }
    if (canonical(before) !== canonical(item) && !reported.has(item.name)) {
      reported.add(item.name);
      differs(item.name);
    }
    if ((item.tags ?? []).length > (before.tags ?? []).length) found.set(item.name, item);
  }
  return found;
}

function canonical(item: Named): string {
  return JSON.stringify(item, (key, value: unknown) =>
    key === 'tags' && Array.isArray(value) ? value.filter((tag) => !String(tag).startsWith('doc:')).sort() : value,
  );
}
