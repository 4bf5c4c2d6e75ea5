// SPDX-License-Identifier: Apache-2.0
// `bpfsvc maps dump [MAP]`: decoded, or as bytes with --raw. Maps may hold a million rows: JSON is written row by row.

import { dumpContext, dumpMap, dumpRaw, MAP_NAMES } from '../../observe/map-dump.ts';
import type { RawRow } from '../../observe/map-dump.ts';
import { findAnyDatapath, pinnedMaps } from '../../observe/pinned-datapath.ts';
import type { CellRow } from '../../observe/cell.ts';
import { openDatapath, remarkOthers } from '../open-datapath.ts';
import { cellTable } from '../print/cells.ts';
import { bold } from '../print/colors.ts';
import type { Format, Write } from '../print/document.ts';
import { toJson, toYaml, writeTogether } from '../print/document.ts';
import { remark, stdout } from '../stdout.ts';
import { UsageError } from '../usage-error.ts';

export interface MapsDumpOptions {
  readonly bpffs: string;
  readonly output: Format;
  readonly raw?: boolean;
}

export async function mapsDump(map: string | undefined, { bpffs, output, raw }: MapsDumpOptions): Promise<void> {
  await (raw === true ? dumpBytes(map, bpffs, output) : dumpWords(map, bpffs, output));
}

/** The dumps of maps, one after another, in the form asked for. */
export async function writeDumps<R extends object>(
  fingerprint: string,
  dumps: Iterable<readonly [name: string, rows: Iterable<R>]>,
  {
    format,
    table,
    write,
  }: { readonly format: Format; readonly table: (rows: Iterable<R>) => string[]; readonly write: Write },
): Promise<void> {
  const all = [...dumps];
  switch (format) {
    case 'table':
      writeTogether(write, (add) => {
        writeTables(all, table, add);
      });
      return;
    case 'json':
      writeTogether(write, (add) => {
        writeJson(fingerprint, all, add);
      });
      return;
    case 'yaml':
      write(await toYaml({ fingerprint, maps: Object.fromEntries(all.map(([name, rows]) => [name, [...rows]])) }));
  }
}

// --- internal ---

type Dumps<R> = readonly (readonly [name: string, rows: Iterable<R>])[];

async function dumpWords(map: string | undefined, bpffs: string, format: Format): Promise<void> {
  const names = MAP_NAMES.filter((name) => map === undefined || name === map);
  if (names.length === 0) throw unknownMap(map, MAP_NAMES);
  using datapath = openDatapath(bpffs);
  const context = dumpContext(datapath);
  const dumps = names.map((name) => [name, dumpMap(name, datapath, context)] as const);
  await writeDumps<CellRow>(datapath.found.fingerprint, dumps, { format, table: cellTable, write: stdout });
}

async function dumpBytes(map: string | undefined, bpffs: string, format: Format): Promise<void> {
  const found = findAnyDatapath(bpffs);
  remarkOthers(found);
  const pinned = pinnedMaps(found);
  const names = pinned.filter((name) => map === undefined || name === map);
  if (names.length === 0) throw unknownMap(map, pinned);
  const dumps = names.map((name) => [name, dumpRaw(found, name)] as const);
  const table = (rows: Iterable<RawRow>): string[] => [...rows].map(({ key, values }) => `${key}  ${values.join(' ')}`);
  await writeDumps<RawRow>(found.fingerprint, dumps, { format, table, write: stdout });
}

function unknownMap(map: string | undefined, names: readonly string[]): UsageError {
  return new UsageError(`there is no map ${String(map)}; the maps are ${names.join(', ')}`);
}

/** A heading only where there are several. */
function writeTables<R>(dumps: Dumps<R>, table: (rows: Iterable<R>) => string[], write: Write): void {
  for (const [index, [name, rows]] of dumps.entries()) {
    const lines = table(rows);
    const heading = lines.length === 0 ? `${bold(name)}: empty` : bold(name);
    if (dumps.length > 1) write(`${index > 0 ? '\n' : ''}${heading}\n`);
    else if (lines.length === 0) remark(`${name} is empty`);
    for (const line of lines) write(`${line}\n`);
  }
}

function writeJson<R>(fingerprint: string, dumps: Dumps<R>, write: Write): void {
  write(`{"fingerprint":${toJson(fingerprint)},"maps":{`);
  dumps.forEach(([name, rows], index) => {
    write(`${index > 0 ? ',' : ''}\n${toJson(name)}:[`);
    let separator = '\n';
    for (const row of rows) {
      write(`${separator}${toJson(row)}`);
      separator = ',\n';
    }
    write(']');
  });
  write('}}\n');
}
