// SPDX-License-Identifier: Apache-2.0
// The values that dumps are made of: the same ones become JSON, YAML and the cells of a table.

import type { BackendRef, InterfaceRef, ServiceRef } from './names.ts';
import type { Address } from '../net/ip.ts';

export interface Endpoint {
  readonly address: Address;
  readonly port: number;
}

/** A list is of names, or of ids. Null: there is none. */
export type Cell =
  string | number | bigint | null | readonly (string | number)[] | Endpoint | ServiceRef | BackendRef | InterfaceRef;

export type CellRow = Readonly<Record<string, Cell>>;
