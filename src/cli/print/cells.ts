// SPDX-License-Identifier: Apache-2.0
// Rows of cells as a table: which text a value has, and what a column is called.

import type { Cell, CellRow } from '../../observe/cell.ts';
import { isIPv4 } from '../../net/ip.ts';
import type { Address } from '../../net/ip.ts';
import type { Column } from './table.ts';
import { formatTable } from './table.ts';

/** All rows have the same properties. */
export function cellTable(rows: Iterable<CellRow>): string[] {
  const all = [...rows];
  const [first] = all;
  if (first === undefined) return [];
  const names = Object.keys(first);
  const columns = names.map((name): Column => {
    const numbers =
      all.some((row) => isNumber(row[name] ?? null)) && all.every((row) => isNumberOrNull(row[name] ?? null));
    return { header: heading(name), ...(numbers && { align: 'right' }) };
  });
  return formatTable(
    columns,
    all.map((row) => names.map((name) => cellText(row[name] ?? null))),
  );
}

/** `#7` is the thing with the id 7; it stands alone where the name is gone. */
export function cellText(cell: Cell): string {
  if (cell === null) return '-';
  if (typeof cell !== 'object') return cell === '' ? '-' : String(cell);
  if (isList(cell)) return cell.length === 0 ? '-' : cell.join(',');
  const text = ('name' in cell ? cell.name : endpointText(cell.address, cell.port)) ?? '';
  if (!('id' in cell)) return text;
  return text === '' ? `#${String(cell.id)}` : `${text} #${String(cell.id)}`;
}

export function endpointText(address: Address, port: number | null): string;
export function endpointText(address: Address | null, port: number | null): string | null;
export function endpointText(address: Address | null, port: number | null): string | null {
  if (address === null || port === null) return address;
  return isIPv4(address) ? `${address}:${String(port)}` : `[${address}]:${String(port)}`;
}

// --- internal ---

function isList(cell: Cell): cell is readonly (string | number)[] {
  return Array.isArray(cell);
}

function isNumberOrNull(cell: Cell): boolean {
  return cell === null || isNumber(cell);
}

function isNumber(cell: Cell): boolean {
  return typeof cell === 'number' || typeof cell === 'bigint';
}

/** `firstSlot` → `FIRST SLOT` */
function heading(name: string): string {
  return name
    .replaceAll(/[A-Z]|\d+$/g, (part) => ` ${part}`)
    .trim()
    .toUpperCase();
}
