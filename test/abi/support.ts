// SPDX-License-Identifier: Apache-2.0
// C text → the layout that clang and the addon make of it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addon } from '../../src/kernel/addon.ts';
import type { ObjectLayout } from '../../src/kernel/layout.ts';
import { compile } from '../../src/toolchain/compile.ts';

/** Map and tag macros as bpf/ has them; a variable, because without one there is no BTF. */
const PRELUDE = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define TAG(text) __attribute__((btf_decl_tag(text)))
#define ADDR TAG("address")
#define MAC TAG("mac")
#define ENUM(name) TAG("enum:" #name)
#define FLAGS(name) TAG("flags:" #name)
__u32 fixture = 0;
`;

/** Calls `use` with the path of an object compiled from `source`; the object is gone afterwards. */
export async function withObject<T>(source: string, use: (object: string) => T | Promise<T>): Promise<T> {
  const root = await mkdtemp(path.join(tmpdir(), 'bpfsvc-abi-'));
  try {
    await writeFile(path.join(root, 'fixture.bpf.c'), PRELUDE + source);
    const output = path.join(root, 'fixture.bpf.o');
    await compile({ output, root, sources: ['fixture.bpf.c'], includeDirs: [] });
    return await use(output);
  } finally {
    await rm(root, { recursive: true });
  }
}

export async function layoutOf(source: string): Promise<ObjectLayout> {
  return withObject(source, (object) => addon.objectLayout(object));
}
